//! Four orders that fit together, and what can be wrong with them before they are signed.

use super::Director;
use crate::strangers::{GLUTTON, GROUPS, LISTENER, REFUSER, RETURNER, WALLET};
use alloy_primitives::{Address, B256, U256};
use poco_core::hub::Hub as Model;
use poco_core::order::{AppOrder, DatasetOrder, RequestOrder, WorkerpoolOrder};
use poco_core::{Amount, OrderKind, Tag};

/// Orders before they are signed.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) app: AppOrder,
    pub(super) dataset: DatasetOrder,
    pub(super) workerpool: WorkerpoolOrder,
    pub(super) request: RequestOrder,
}

/// Prices in nRLC that say something about rounding or about the kitty.
const PRICES: [u64; 10] = [0, 1, 3, 9, 10, 33, 101, 1_000_000_000, 7_333_333_333, 20_000_000_000];

impl Director<'_> {
    /// Orders that fit, if the model has an app and a pool.
    pub(super) fn draft(&mut self, model: &Model) -> Option<Draft> {
        let apps = self.entries(model, OrderKind::App);
        let pools = self.entries(model, OrderKind::Workerpool);
        let datasets = self.entries(model, OrderKind::Dataset);
        let (app, _) = *self.dice.find(&apps)?;
        let (pool, _) = *self.dice.find(&pools)?;
        let has_dataset = self.dice.chance(45);
        let dataset = self.dice.find(&datasets).filter(|_| has_dataset).map(|(entry, _)| *entry);
        let volumes = [1u64, 1, 2, 3, 5, 12];
        let volume = U256::from(*self.dice.pick(&volumes));
        let category = U256::from(*self.dice.pick(&[0u64, 0, 0, 1, 2]));
        let trust = *self.dice.pick(&[0u64, 1, 1, 1, 2, 3, 4, 4, 8, 16, 100]);
        let price = |dice: &mut crate::dice::Dice| Amount::from_nano(*dice.pick(&PRICES));
        let app_price = price(&mut self.dice);
        let dataset_price = price(&mut self.dice);
        let pool_price = price(&mut self.dice);
        let requester = self.requester();
        let offered = |dice: &mut crate::dice::Dice| {
            if dice.chance(50) { volume } else { U256::from(100) }
        };
        let app_order = AppOrder {
            app,
            price: app_price,
            volume: offered(&mut self.dice),
            salt: self.next_salt(),
            ..AppOrder::default()
        };
        let dataset_order = dataset.map_or_else(DatasetOrder::default, |dataset| DatasetOrder {
            dataset,
            price: dataset_price,
            volume: offered(&mut self.dice),
            salt: B256::repeat_byte(1),
            ..DatasetOrder::default()
        });
        let workerpool = WorkerpoolOrder {
            workerpool: pool,
            price: pool_price,
            volume: offered(&mut self.dice),
            category,
            trust: U256::from(trust + self.dice.below(3)),
            salt: self.next_salt(),
            ..WorkerpoolOrder::default()
        };
        let request = RequestOrder {
            app,
            app_price_max: app_price,
            dataset: dataset.unwrap_or_default(),
            dataset_price_max: dataset_order.price,
            workerpool_price_max: pool_price,
            requester,
            volume,
            category,
            trust: U256::from(trust),
            params: "--lines 10".into(),
            salt: self.next_salt(),
            ..RequestOrder::default()
        };
        let mut draft = Draft { app: app_order, dataset: dataset_order, workerpool, request };
        self.adorn(&mut draft);
        Some(draft)
    }

    fn requester(&mut self) -> Address {
        if self.dice.chance(12) { WALLET } else { *self.dice.pick(&self.cast.requesters) }
    }

    /// What a deal may have and need not.
    fn adorn(&mut self, draft: &mut Draft) {
        if self.dice.chance(22) {
            let receivers =
                [LISTENER, LISTENER, REFUSER, GLUTTON, RETURNER, WALLET, self.cast.thief];
            draft.request.callback = *self.dice.pick(&receivers);
        }
        if self.dice.chance(20) {
            draft.request.beneficiary = self.anybody();
        }
        if self.dice.chance(15) {
            let tag = *self.dice.pick(&[Tag::TEE, Tag::GPU, Tag::TEE | Tag::TDX]);
            (draft.app.tag, draft.workerpool.tag) = (tag, tag);
            if self.dice.chance(50) {
                draft.request.tag = tag;
            }
        }
        if self.dice.chance(8) && !draft.dataset.dataset.is_zero() {
            // What the two releases of the reference read differently.
            draft.dataset.tag = *self.dice.pick(&[Tag::SCONE, Tag::GPU, Tag::GRAMINE]);
            if self.dice.chance(60) {
                draft.workerpool.tag = draft.workerpool.tag | draft.dataset.tag;
            }
        }
        if self.dice.chance(4) {
            // More tasks than a task's slot can number, and none of them costs anything.
            let many = U256::from(70_000);
            (draft.app.volume, draft.workerpool.volume, draft.request.volume) = (many, many, many);
            draft.dataset.volume = many;
            (draft.app.price, draft.workerpool.price) = (Amount::ZERO, Amount::ZERO);
            draft.dataset.price = Amount::ZERO;
        }
        if self.dice.chance(3) {
            let length = *self.dice.pick(&[0usize, 31, 32, 33, 10_000, 24_200, 24_336, 24_400]);
            draft.request.params = "p".repeat(length);
        }
        if self.dice.chance(2) {
            let most = U256::MAX;
            (draft.workerpool.trust, draft.request.trust) = (most, most);
        }
    }

    /// A restriction that lets `counterpart` pass, unless the group does not have it.
    pub(super) fn restriction(&mut self, counterpart: Address) -> Address {
        match self.dice.below(8) {
            0..3 => counterpart,
            3..6 => *self.dice.pick(&GROUPS),
            6 => self.any_address(),
            _ => LISTENER,
        }
    }

    /// Restricts one party to another.
    pub(super) fn restrict(&mut self, draft: &mut Draft) -> (Address, Address) {
        let (app, dataset) = (draft.app.app, draft.dataset.dataset);
        let (pool, requester) = (draft.workerpool.workerpool, draft.request.requester);
        let counterpart = [pool, dataset, pool, requester, app, pool, requester, app, dataset];
        let place = usize::try_from(self.dice.below(10)).expect("below 10");
        let counterpart = counterpart.get(place).copied().unwrap_or(requester);
        let restriction = self.restriction(counterpart);
        let field = match place {
            0 => &mut draft.request.workerpool,
            1 => &mut draft.app.dataset_restrict,
            2 => &mut draft.app.workerpool_restrict,
            3 => &mut draft.app.requester_restrict,
            4 => &mut draft.dataset.app_restrict,
            5 => &mut draft.dataset.workerpool_restrict,
            6 => &mut draft.dataset.requester_restrict,
            7 => &mut draft.workerpool.app_restrict,
            8 => &mut draft.workerpool.dataset_restrict,
            _ => &mut draft.workerpool.requester_restrict,
        };
        *field = restriction;
        (restriction, counterpart)
    }

    /// Makes one thing wrong that signatures cover.
    pub(super) fn spoil_draft(&mut self, draft: &mut Draft) {
        let stranger = self.any_address();
        let big = *self.dice.pick(&[
            U256::MAX,
            U256::MAX >> 1,
            U256::from(u64::MAX),
            U256::MAX / U256::from(30),
            U256::ONE << 96,
        ]);
        let unregistered = *self.dice.pick(&super::NOT_REGISTERED);
        match self.dice.below(29) {
            0 => draft.workerpool.category = U256::from(3),
            1 => (draft.workerpool.category, draft.request.category) = (big, big),
            2 => draft.request.trust = draft.workerpool.trust.saturating_add(U256::ONE),
            3 => draft.app.price = above(draft.request.app_price_max),
            4 => draft.dataset.price = above(draft.request.dataset_price_max),
            5 => draft.workerpool.price = above(draft.request.workerpool_price_max),
            6 => draft.app.tag = Tag::GPU | Tag::TEE,
            7 => draft.request.tag = Tag::GPU,
            8 => {
                draft.request.tag = Tag::TEE;
                draft.workerpool.tag = draft.workerpool.tag | Tag::TEE;
            }
            9 => draft.dataset.tag = *self.dice.pick(&[Tag::TEE, Tag::GPU, Tag::SCONE]),
            10 => draft.request.app = stranger,
            11 => draft.request.dataset = stranger,
            12 => draft.dataset.dataset = stranger,
            13 => draft.request.requester = stranger,
            14 => (draft.app.app, draft.request.app) = (unregistered, unregistered),
            15 => (draft.dataset.dataset, draft.request.dataset) = (unregistered, unregistered),
            16 => draft.workerpool.workerpool = unregistered,
            17 => draft.app.volume = U256::ZERO,
            18 => draft.dataset.volume = U256::ZERO,
            19 => draft.request.volume = U256::ZERO,
            20 => {
                (draft.app.price, draft.request.app_price_max) = (Amount(big), Amount(big));
            }
            21 => {
                draft.workerpool.price = Amount(big);
                draft.request.workerpool_price_max = Amount(big);
            }
            22 => {
                (draft.app.volume, draft.workerpool.volume) = (big, big);
                draft.request.volume = big;
                draft.dataset.volume = big;
            }
            23 => {
                draft.workerpool.price = Amount::from_nano(50_000_000_000_000_000);
                draft.request.workerpool_price_max = draft.workerpool.price;
            }
            24..27 => draft.request.requester = Address::ZERO,
            27 => draft.request.workerpool = stranger,
            _ => {
                // A dataset order that is null but for its terms.
                draft.dataset.dataset = Address::ZERO;
                draft.request.dataset = Address::ZERO;
                draft.dataset.app_restrict = stranger;
            }
        }
    }
}

fn above(price: Amount) -> Amount {
    Amount(price.0.saturating_add(U256::ONE))
}
