//! Orders between our words and the chain's structs.

use crate::abi;
use poco_core::order::{AppOrder, DatasetOrder, RequestOrder, Signed, WorkerpoolOrder};
use poco_core::{Amount, Tag};

impl From<&Signed<AppOrder>> for abi::AppOrder {
    fn from(signed: &Signed<AppOrder>) -> Self {
        let order = &signed.order;
        Self {
            app: order.app,
            appprice: order.price.0,
            volume: order.volume,
            tag: order.tag.0,
            datasetrestrict: order.dataset_restrict,
            workerpoolrestrict: order.workerpool_restrict,
            requesterrestrict: order.requester_restrict,
            salt: order.salt,
            sign: signed.sign.clone(),
        }
    }
}

impl From<abi::AppOrder> for Signed<AppOrder> {
    fn from(order: abi::AppOrder) -> Self {
        let sign = order.sign;
        let order = AppOrder {
            app: order.app,
            price: Amount(order.appprice),
            volume: order.volume,
            tag: Tag(order.tag),
            dataset_restrict: order.datasetrestrict,
            workerpool_restrict: order.workerpoolrestrict,
            requester_restrict: order.requesterrestrict,
            salt: order.salt,
        };
        Self { order, sign }
    }
}

impl From<&Signed<DatasetOrder>> for abi::DatasetOrder {
    fn from(signed: &Signed<DatasetOrder>) -> Self {
        let order = &signed.order;
        Self {
            dataset: order.dataset,
            datasetprice: order.price.0,
            volume: order.volume,
            tag: order.tag.0,
            apprestrict: order.app_restrict,
            workerpoolrestrict: order.workerpool_restrict,
            requesterrestrict: order.requester_restrict,
            salt: order.salt,
            sign: signed.sign.clone(),
        }
    }
}

impl From<abi::DatasetOrder> for Signed<DatasetOrder> {
    fn from(order: abi::DatasetOrder) -> Self {
        let sign = order.sign;
        let order = DatasetOrder {
            dataset: order.dataset,
            price: Amount(order.datasetprice),
            volume: order.volume,
            tag: Tag(order.tag),
            app_restrict: order.apprestrict,
            workerpool_restrict: order.workerpoolrestrict,
            requester_restrict: order.requesterrestrict,
            salt: order.salt,
        };
        Self { order, sign }
    }
}

impl From<&Signed<WorkerpoolOrder>> for abi::WorkerpoolOrder {
    fn from(signed: &Signed<WorkerpoolOrder>) -> Self {
        let order = &signed.order;
        Self {
            workerpool: order.workerpool,
            workerpoolprice: order.price.0,
            volume: order.volume,
            tag: order.tag.0,
            category: order.category,
            trust: order.trust,
            apprestrict: order.app_restrict,
            datasetrestrict: order.dataset_restrict,
            requesterrestrict: order.requester_restrict,
            salt: order.salt,
            sign: signed.sign.clone(),
        }
    }
}

impl From<abi::WorkerpoolOrder> for Signed<WorkerpoolOrder> {
    fn from(order: abi::WorkerpoolOrder) -> Self {
        let sign = order.sign;
        let order = WorkerpoolOrder {
            workerpool: order.workerpool,
            price: Amount(order.workerpoolprice),
            volume: order.volume,
            tag: Tag(order.tag),
            category: order.category,
            trust: order.trust,
            app_restrict: order.apprestrict,
            dataset_restrict: order.datasetrestrict,
            requester_restrict: order.requesterrestrict,
            salt: order.salt,
        };
        Self { order, sign }
    }
}

impl From<&Signed<RequestOrder>> for abi::RequestOrder {
    fn from(signed: &Signed<RequestOrder>) -> Self {
        let order = &signed.order;
        Self {
            app: order.app,
            appmaxprice: order.app_price_max.0,
            dataset: order.dataset,
            datasetmaxprice: order.dataset_price_max.0,
            workerpool: order.workerpool,
            workerpoolmaxprice: order.workerpool_price_max.0,
            requester: order.requester,
            volume: order.volume,
            tag: order.tag.0,
            category: order.category,
            trust: order.trust,
            beneficiary: order.beneficiary,
            callback: order.callback,
            params: order.params.clone(),
            salt: order.salt,
            sign: signed.sign.clone(),
        }
    }
}

impl From<abi::RequestOrder> for Signed<RequestOrder> {
    fn from(order: abi::RequestOrder) -> Self {
        let sign = order.sign;
        let order = RequestOrder {
            app: order.app,
            app_price_max: Amount(order.appmaxprice),
            dataset: order.dataset,
            dataset_price_max: Amount(order.datasetmaxprice),
            workerpool: order.workerpool,
            workerpool_price_max: Amount(order.workerpoolmaxprice),
            requester: order.requester,
            volume: order.volume,
            tag: Tag(order.tag),
            category: order.category,
            trust: order.trust,
            beneficiary: order.beneficiary,
            callback: order.callback,
            params: order.params,
            salt: order.salt,
        };
        Self { order, sign }
    }
}
