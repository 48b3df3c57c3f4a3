//! The four signed orders and their EIP-712 hashes.

use crate::eip712::{StructHasher, signing_hash};
use crate::tag::Tag;
use crate::types::{Amount, OrderHash};
use alloc::string::String;
use alloy_primitives::{Address, B256, Bytes, U256};

const APP_ORDER: &str = "AppOrder(address app,uint256 appprice,uint256 volume,bytes32 tag,address datasetrestrict,address workerpoolrestrict,address requesterrestrict,bytes32 salt)";
const DATASET_ORDER: &str = "DatasetOrder(address dataset,uint256 datasetprice,uint256 volume,bytes32 tag,address apprestrict,address workerpoolrestrict,address requesterrestrict,bytes32 salt)";
const WORKERPOOL_ORDER: &str = "WorkerpoolOrder(address workerpool,uint256 workerpoolprice,uint256 volume,bytes32 tag,uint256 category,uint256 trust,address apprestrict,address datasetrestrict,address requesterrestrict,bytes32 salt)";
const REQUEST_ORDER: &str = "RequestOrder(address app,uint256 appmaxprice,address dataset,uint256 datasetmaxprice,address workerpool,uint256 workerpoolmaxprice,address requester,uint256 volume,bytes32 tag,uint256 category,uint256 trust,address beneficiary,address callback,string params,bytes32 salt)";

/// Which of the four parties an order speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
pub enum OrderKind {
    /// An app provider's offer.
    App,
    /// A dataset provider's offer.
    Dataset,
    /// A pool's offer.
    Workerpool,
    /// A requester's demand.
    Request,
}

/// An app provider's offer to let runs of an app be bought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct AppOrder {
    /// The app's registry entry.
    #[cfg_attr(feature = "serde", serde(with = "crate::text::address"))]
    pub app: Address,
    /// Price of one run.
    #[cfg_attr(feature = "serde", serde(rename = "appprice"))]
    pub price: Amount,
    /// How many runs the order offers in all.
    #[cfg_attr(feature = "serde", serde(with = "crate::text::uint"))]
    pub volume: U256,
    /// What the app needs of a pool.
    pub tag: Tag,
    /// Zero, or the only dataset (or group of them) the order may meet.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "datasetrestrict", with = "crate::text::address")
    )]
    pub dataset_restrict: Address,
    /// Zero, or the only pool (or group) the order may meet.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "workerpoolrestrict", with = "crate::text::address")
    )]
    pub workerpool_restrict: Address,
    /// Zero, or the only requester (or group) the order may meet.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "requesterrestrict", with = "crate::text::address")
    )]
    pub requester_restrict: Address,
    /// Makes two orders of the same terms differ.
    pub salt: B256,
}

/// A dataset provider's offer. All zero, with its address zero, it stands for "no dataset".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct DatasetOrder {
    /// The dataset's registry entry; zero for no dataset.
    #[cfg_attr(feature = "serde", serde(with = "crate::text::address"))]
    pub dataset: Address,
    /// Price of one use.
    #[cfg_attr(feature = "serde", serde(rename = "datasetprice"))]
    pub price: Amount,
    /// How many uses the order offers in all.
    #[cfg_attr(feature = "serde", serde(with = "crate::text::uint"))]
    pub volume: U256,
    /// What the dataset needs of a pool.
    pub tag: Tag,
    /// Zero, or the only app (or group) the order may meet.
    #[cfg_attr(feature = "serde", serde(rename = "apprestrict", with = "crate::text::address"))]
    pub app_restrict: Address,
    /// Zero, or the only pool (or group) the order may meet.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "workerpoolrestrict", with = "crate::text::address")
    )]
    pub workerpool_restrict: Address,
    /// Zero, or the only requester (or group) the order may meet.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "requesterrestrict", with = "crate::text::address")
    )]
    pub requester_restrict: Address,
    /// Makes two orders of the same terms differ.
    pub salt: B256,
}

/// A pool's offer to compute tasks of one category.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct WorkerpoolOrder {
    /// The pool's registry entry.
    #[cfg_attr(feature = "serde", serde(with = "crate::text::address"))]
    pub workerpool: Address,
    /// Price of one task.
    #[cfg_attr(feature = "serde", serde(rename = "workerpoolprice"))]
    pub price: Amount,
    /// How many tasks the order offers in all.
    #[cfg_attr(feature = "serde", serde(with = "crate::text::uint"))]
    pub volume: U256,
    /// What the pool's machines can do.
    pub tag: Tag,
    /// The category offered.
    #[cfg_attr(feature = "serde", serde(with = "crate::text::uint"))]
    pub category: U256,
    /// The highest trust the pool can reach.
    #[cfg_attr(feature = "serde", serde(with = "crate::text::uint"))]
    pub trust: U256,
    /// Zero, or the only app (or group) the order may meet.
    #[cfg_attr(feature = "serde", serde(rename = "apprestrict", with = "crate::text::address"))]
    pub app_restrict: Address,
    /// Zero, or the only dataset (or group) the order may meet.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "datasetrestrict", with = "crate::text::address")
    )]
    pub dataset_restrict: Address,
    /// Zero, or the only requester (or group) the order may meet.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "requesterrestrict", with = "crate::text::address")
    )]
    pub requester_restrict: Address,
    /// Makes two orders of the same terms differ.
    pub salt: B256,
}

/// A requester's demand: what to run, for how much at most, and how sure the result must be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct RequestOrder {
    /// The app to run.
    #[cfg_attr(feature = "serde", serde(with = "crate::text::address"))]
    pub app: Address,
    /// The most the requester pays the app's owner for one run.
    #[cfg_attr(feature = "serde", serde(rename = "appmaxprice"))]
    pub app_price_max: Amount,
    /// The dataset to use; zero for none.
    #[cfg_attr(feature = "serde", serde(with = "crate::text::address"))]
    pub dataset: Address,
    /// The most the requester pays the dataset's owner for one use.
    #[cfg_attr(feature = "serde", serde(rename = "datasetmaxprice"))]
    pub dataset_price_max: Amount,
    /// Zero, or the only pool (or group) that may compute.
    #[cfg_attr(feature = "serde", serde(with = "crate::text::address"))]
    pub workerpool: Address,
    /// The most the requester pays the pool for one task.
    #[cfg_attr(feature = "serde", serde(rename = "workerpoolmaxprice"))]
    pub workerpool_price_max: Amount,
    /// Who signs and, unless sponsored, pays.
    #[cfg_attr(feature = "serde", serde(with = "crate::text::address"))]
    pub requester: Address,
    /// How many tasks are wanted: one run each.
    #[cfg_attr(feature = "serde", serde(with = "crate::text::uint"))]
    pub volume: U256,
    /// What the requester needs of a pool.
    pub tag: Tag,
    /// The category: how long a task may take.
    #[cfg_attr(feature = "serde", serde(with = "crate::text::uint"))]
    pub category: U256,
    /// A wrong result shall be at least this many times less likely than a right one; 0 and 1 ask for nothing.
    #[cfg_attr(feature = "serde", serde(with = "crate::text::uint"))]
    pub trust: U256,
    /// Zero, or the only one who may read the result.
    #[cfg_attr(feature = "serde", serde(with = "crate::text::address"))]
    pub beneficiary: Address,
    /// Zero, or the contract that receives the result.
    #[cfg_attr(feature = "serde", serde(with = "crate::text::address"))]
    pub callback: Address,
    /// Arguments as plain text, or a JSON object of parameters.
    pub params: String,
    /// Makes two orders of the same terms differ.
    pub salt: B256,
}

/// An order that can be hashed under a hub's domain.
pub trait Order {
    /// Whose order it is.
    const KIND: OrderKind;
    /// The EIP-712 type, as in `encodeType`.
    const TYPE_TEXT: &'static str;
    /// Name of the type alone, as clients write it in typed data.
    const TYPE_NAME: &'static str;

    /// The EIP-712 struct hash.
    fn struct_hash(&self) -> B256;

    /// How many units the order covers in all.
    fn volume(&self) -> U256;

    /// The order's hash under a domain: its name on chain and in the market.
    fn hash(&self, domain_separator: B256) -> OrderHash {
        OrderHash(signing_hash(domain_separator, self.struct_hash()))
    }

    /// The hash to sign for an operation on the order on chain.
    fn operation_hash(&self, operation: OrderOperation, domain_separator: B256) -> B256 {
        let name = Self::TYPE_NAME;
        let order = Self::TYPE_TEXT;
        let type_text = alloc::format!("{name}Operation({name} order,uint256 operation){order}");
        let struct_hash = StructHasher::new(&type_text)
            .word(self.struct_hash())
            .uint(U256::from(operation as u8))
            .finish();
        signing_hash(domain_separator, struct_hash)
    }
}

/// What an order's owner can do with it on chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[repr(u8)]
pub enum OrderOperation {
    /// Record the owner's agreement on chain, in place of a signature.
    Sign = 0,
    /// Consume the whole volume: the order can never be matched again.
    Close = 1,
}

/// An order with its owner's signature; empty where the order was signed on chain.
///
/// As JSON it is one flat object, the order's members and `sign`, and any other key is refused by
/// name; in binary formats it is the order followed by the signature.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signed<O> {
    /// The order.
    pub order: O,
    /// 65 or 64 bytes, or what the owner's contract understands.
    pub sign: Bytes,
}

impl Order for AppOrder {
    const KIND: OrderKind = OrderKind::App;
    const TYPE_TEXT: &'static str = APP_ORDER;
    const TYPE_NAME: &'static str = "AppOrder";

    fn struct_hash(&self) -> B256 {
        StructHasher::new(Self::TYPE_TEXT)
            .address(self.app)
            .uint(self.price.0)
            .uint(self.volume)
            .word(self.tag.0)
            .address(self.dataset_restrict)
            .address(self.workerpool_restrict)
            .address(self.requester_restrict)
            .word(self.salt)
            .finish()
    }

    fn volume(&self) -> U256 {
        self.volume
    }
}

impl Order for DatasetOrder {
    const KIND: OrderKind = OrderKind::Dataset;
    const TYPE_TEXT: &'static str = DATASET_ORDER;
    const TYPE_NAME: &'static str = "DatasetOrder";

    fn struct_hash(&self) -> B256 {
        StructHasher::new(Self::TYPE_TEXT)
            .address(self.dataset)
            .uint(self.price.0)
            .uint(self.volume)
            .word(self.tag.0)
            .address(self.app_restrict)
            .address(self.workerpool_restrict)
            .address(self.requester_restrict)
            .word(self.salt)
            .finish()
    }

    fn volume(&self) -> U256 {
        self.volume
    }
}

impl Order for WorkerpoolOrder {
    const KIND: OrderKind = OrderKind::Workerpool;
    const TYPE_TEXT: &'static str = WORKERPOOL_ORDER;
    const TYPE_NAME: &'static str = "WorkerpoolOrder";

    fn struct_hash(&self) -> B256 {
        StructHasher::new(Self::TYPE_TEXT)
            .address(self.workerpool)
            .uint(self.price.0)
            .uint(self.volume)
            .word(self.tag.0)
            .uint(self.category)
            .uint(self.trust)
            .address(self.app_restrict)
            .address(self.dataset_restrict)
            .address(self.requester_restrict)
            .word(self.salt)
            .finish()
    }

    fn volume(&self) -> U256 {
        self.volume
    }
}

impl Order for RequestOrder {
    const KIND: OrderKind = OrderKind::Request;
    const TYPE_TEXT: &'static str = REQUEST_ORDER;
    const TYPE_NAME: &'static str = "RequestOrder";

    fn struct_hash(&self) -> B256 {
        StructHasher::new(Self::TYPE_TEXT)
            .address(self.app)
            .uint(self.app_price_max.0)
            .address(self.dataset)
            .uint(self.dataset_price_max.0)
            .address(self.workerpool)
            .uint(self.workerpool_price_max.0)
            .address(self.requester)
            .uint(self.volume)
            .word(self.tag.0)
            .uint(self.category)
            .uint(self.trust)
            .address(self.beneficiary)
            .address(self.callback)
            .text(&self.params)
            .word(self.salt)
            .finish()
    }

    fn volume(&self) -> U256 {
        self.volume
    }
}
