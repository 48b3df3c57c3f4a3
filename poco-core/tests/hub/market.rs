//! A small market with real keys: one app, one dataset, one pool, and parties with stake.

use k256::ecdsa::SigningKey;
use poco_core::call::{Call, Contribution, SignedTerms, WholeContribution};
use poco_core::hub::{Config, Hub, Outcome, Policy, Refusal, RegistryCall, TokenCall, Value};
use poco_core::message::authorization_hash;
use poco_core::order::Order;
use poco_core::{
    Address, Amount, AppOrder, B256, Bytes, DatasetOrder, DealId, OrderKind, RequestOrder,
    ResultDigest, ResultHash, ResultSeal, Rules, Signed, TaskId, Timestamp, U256, WorkerpoolOrder,
    keccak256,
};

pub(crate) const HUB: Address = Address::repeat_byte(0xee);
pub(crate) const START: Timestamp = Timestamp(1_700_000_000);
/// T of category 0.
pub(crate) const T: u64 = 300;
pub(crate) const RLC: u64 = Amount::NANO_PER_RLC;

/// A wallet: its key is the keccak of its name.
pub(crate) struct Party {
    key: SigningKey,
    pub(crate) address: Address,
}

pub(crate) fn party(name: &str) -> Party {
    let key = SigningKey::from_slice(keccak256(name).as_slice()).unwrap();
    let address = Address::from_public_key(key.verifying_key());
    Party { key, address }
}

impl Party {
    pub(crate) fn sign(&self, hash: B256) -> Bytes {
        let (signature, recovery) = self.key.sign_prehash_recoverable(hash.as_slice()).unwrap();
        let mut bytes = signature.to_bytes().to_vec();
        bytes.push(27 + recovery.to_byte());
        bytes.into()
    }

    pub(crate) fn sign_order<O: Order>(&self, order: O, separator: B256) -> Signed<O> {
        let sign = self.sign(order.hash(separator).0);
        Signed { order, sign }
    }
}

pub(crate) struct Market {
    pub(crate) hub: Hub,
    pub(crate) owner: Party,
    pub(crate) app_owner: Party,
    pub(crate) dataset_owner: Party,
    pub(crate) pool_owner: Party,
    pub(crate) requester: Party,
    pub(crate) sponsor: Party,
    pub(crate) app: Address,
    pub(crate) dataset: Address,
    pub(crate) workerpool: Address,
    pub(crate) now: Timestamp,
}

pub(crate) fn nano(amount: u64) -> Amount {
    Amount::from_nano(amount)
}

/// The digest of a result that is right for everybody who says so.
pub(crate) fn digest(text: &str) -> ResultDigest {
    ResultDigest(keccak256(text))
}

impl Market {
    pub(crate) fn new() -> Self {
        Self::with_scores(&[])
    }

    /// A market by the rules of `rules`.
    pub(crate) fn by(rules: Rules) -> Self {
        Self::by_with_scores(rules, &[])
    }

    pub(crate) fn with_scores(scores: &[(&str, u64)]) -> Self {
        Self::by_with_scores(Rules::Ours, scores)
    }

    pub(crate) fn by_with_scores(rules: Rules, scores: &[(&str, u64)]) -> Self {
        let owner = party("hub owner");
        let scores = scores.iter().map(|(name, score)| (party(name).address, U256::from(*score)));
        let standard = Config::standard(rules, 31337, HUB, owner.address);
        let config = Config { scores: scores.collect(), ..standard };
        let mut market = Self {
            hub: Hub::new(config),
            owner,
            app_owner: party("app owner"),
            dataset_owner: party("dataset owner"),
            pool_owner: party("pool owner"),
            requester: party("requester"),
            sponsor: party("sponsor"),
            app: Address::repeat_byte(0xa1),
            dataset: Address::repeat_byte(0xd1),
            workerpool: Address::repeat_byte(0xb1),
            now: START,
        };
        for (kind, resource, owner) in [
            (OrderKind::App, market.app, market.app_owner.address),
            (OrderKind::Dataset, market.dataset, market.dataset_owner.address),
            (OrderKind::Workerpool, market.workerpool, market.pool_owner.address),
        ] {
            let create = RegistryCall::Create { kind, resource, owner };
            market.hub.registry_call(owner, &create).unwrap();
        }
        market.set_policy(35, 5);
        for name in ["pool owner", "requester", "sponsor", "w1", "w2", "w3", "w4", "w5"] {
            market.fund(party(name).address, 1_000 * RLC);
        }
        market
    }

    pub(crate) fn set_policy(&mut self, worker_stake_ratio: u64, scheduler_reward_ratio: u64) {
        let policy = Policy {
            worker_stake_ratio: U256::from(worker_stake_ratio),
            scheduler_reward_ratio: U256::from(scheduler_reward_ratio),
        };
        let change = RegistryCall::ChangePolicy { workerpool: self.workerpool, policy };
        self.hub.registry_call(self.pool_owner.address, &change).unwrap();
    }

    /// Gives an account tokens and deposits them.
    pub(crate) fn fund(&mut self, account: Address, amount: u64) {
        self.hub.mint_tokens(account, nano(amount)).unwrap();
        let deposit = TokenCall::ApproveHubAndCall { amount: nano(amount) };
        self.hub.token_call(account, &deposit).unwrap();
    }

    pub(crate) fn call(&mut self, sender: &Party, call: Call) -> Result<Outcome, Refusal> {
        let before = self.hub.clone();
        let result = self.hub.call(sender.address, self.now, &call);
        assert!(result.is_ok() || self.hub == before, "a refused call changed something");
        result
    }

    pub(crate) fn app_order(&self) -> AppOrder {
        AppOrder {
            app: self.app,
            price: nano(3 * RLC),
            volume: U256::from(100),
            ..AppOrder::default()
        }
    }

    pub(crate) fn dataset_order(&self) -> DatasetOrder {
        DatasetOrder {
            dataset: self.dataset,
            price: nano(2 * RLC),
            volume: U256::from(100),
            ..DatasetOrder::default()
        }
    }

    pub(crate) fn workerpool_order(&self) -> WorkerpoolOrder {
        WorkerpoolOrder {
            workerpool: self.workerpool,
            price: nano(20 * RLC),
            volume: U256::from(100),
            trust: U256::from(1_000),
            ..WorkerpoolOrder::default()
        }
    }

    pub(crate) fn request_order(&self, trust: u64, volume: u64) -> RequestOrder {
        RequestOrder {
            app: self.app,
            app_price_max: nano(3 * RLC),
            dataset: self.dataset,
            dataset_price_max: nano(2 * RLC),
            workerpool_price_max: nano(20 * RLC),
            requester: self.requester.address,
            volume: U256::from(volume),
            trust: U256::from(trust),
            params: "--lines 10".into(),
            ..RequestOrder::default()
        }
    }

    /// Signs the four orders by their owners.
    pub(crate) fn sign(
        &self,
        app: AppOrder,
        dataset: DatasetOrder,
        workerpool: WorkerpoolOrder,
        request: RequestOrder,
    ) -> SignedTerms {
        let separator = self.hub.domain_separator();
        SignedTerms {
            app: self.app_owner.sign_order(app, separator),
            dataset: if dataset.dataset.is_zero() {
                Signed { order: dataset, sign: Bytes::new() }
            } else {
                self.dataset_owner.sign_order(dataset, separator)
            },
            workerpool: self.pool_owner.sign_order(workerpool, separator),
            request: self.requester.sign_order(request, separator),
        }
    }

    pub(crate) fn terms(&self, trust: u64, volume: u64) -> SignedTerms {
        self.sign(
            self.app_order(),
            self.dataset_order(),
            self.workerpool_order(),
            self.request_order(trust, volume),
        )
    }

    pub(crate) fn match_terms(&mut self, terms: SignedTerms) -> Result<DealId, Refusal> {
        let sender = party("anybody");
        let outcome = self.call(&sender, Call::MatchOrders(Box::new(terms)))?;
        let Value::Deal(deal) = outcome.value else { panic!("a match returned {outcome:?}") };
        Ok(deal)
    }

    /// A deal of the usual orders with its first task opened.
    pub(crate) fn open_task(&mut self, trust: u64) -> TaskId {
        let deal = self.match_terms(self.terms(trust, 1)).unwrap();
        self.initialize(deal, 0)
    }

    pub(crate) fn initialize(&mut self, deal: DealId, index: u64) -> TaskId {
        let initialize = Call::Initialize { deal, index: U256::from(index) };
        self.call(&party("anybody"), initialize).unwrap();
        TaskId::of_deal(deal, U256::from(index))
    }

    /// The contribution of a worker that computed `digest`.
    pub(crate) fn contribution(
        &self,
        task: TaskId,
        worker: &Party,
        digest: ResultDigest,
    ) -> Contribution {
        let authorization = authorization_hash(worker.address, task, Address::ZERO);
        Contribution {
            task,
            hash: ResultHash::of(task, digest),
            seal: ResultSeal::of(worker.address, task, digest),
            enclave_challenge: Address::ZERO,
            enclave_sign: Bytes::new(),
            authorization_sign: self.pool_owner.sign(authorization),
        }
    }

    pub(crate) fn contribute(
        &mut self,
        task: TaskId,
        worker: &Party,
        digest: ResultDigest,
    ) -> Result<Outcome, Refusal> {
        let contribution = self.contribution(task, worker, digest);
        self.call(worker, Call::Contribute(contribution))
    }

    pub(crate) fn reveal(
        &mut self,
        task: TaskId,
        worker: &Party,
        digest: ResultDigest,
    ) -> Result<Outcome, Refusal> {
        self.call(worker, Call::Reveal { task, digest })
    }

    pub(crate) fn finalize(&mut self, task: TaskId) -> Result<Outcome, Refusal> {
        let results = Bytes::from_static(b"/ipfs/result");
        let finalize = Call::Finalize { task, results, results_callback: Bytes::new() };
        self.call(&party("pool owner"), finalize)
    }

    pub(crate) fn whole(
        &self,
        task: TaskId,
        worker: &Party,
        digest: ResultDigest,
    ) -> WholeContribution {
        let contribution = self.contribution(task, worker, digest);
        WholeContribution {
            task,
            digest,
            results: Bytes::from_static(b"/ipfs/result"),
            results_callback: Bytes::new(),
            enclave_challenge: contribution.enclave_challenge,
            enclave_sign: contribution.enclave_sign,
            authorization_sign: contribution.authorization_sign,
        }
    }

    pub(crate) fn free(&self, party: &Party) -> Amount {
        self.hub.account(party.address).free
    }

    pub(crate) fn frozen(&self, party: &Party) -> Amount {
        self.hub.account(party.address).frozen
    }
}
