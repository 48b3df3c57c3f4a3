//! The views of the hub itself: its owner, its settings, its categories, and the epochs of accounts.

use super::Inquiry;
use crate::abi::Hub;
use alloy_primitives::{Address, U256};
use alloy_sol_types::SolCall;
use anyhow::Result;
use poco_core::payout::KITTY;

impl Inquiry<'_> {
    pub(super) fn hub(&mut self) -> Result<()> {
        let model = &self.side.model;
        let (supply, owner, broker) = (model.supply().0, model.owner(), model.tee_broker());
        let (gas, separator) = (model.callback_gas(), model.domain_separator());
        let count = model.category_count();
        self.ask(&Hub::totalSupplyCall {}, Hub::totalSupplyCall::abi_encode_returns(&supply))?;
        self.ask(&Hub::ownerCall {}, Hub::ownerCall::abi_encode_returns(&owner))?;
        self.ask(&Hub::teebrokerCall {}, Hub::teebrokerCall::abi_encode_returns(&broker))?;
        self.ask(&Hub::callbackgasCall {}, Hub::callbackgasCall::abi_encode_returns(&gas))?;
        let call = Hub::eip712domain_separatorCall {};
        self.ask(&call, Hub::eip712domain_separatorCall::abi_encode_returns(&separator))?;
        let counted = U256::from(count);
        let call = Hub::countCategoryCall {};
        self.ask(&call, Hub::countCategoryCall::abi_encode_returns(&counted))?;
        for number in 0..count {
            self.category(number)?;
        }
        let call = Hub::viewCategoryCall { catid: counted };
        let to = self.places.hub;
        self.ask_at(to, &call, None)?;
        self.constants()
    }

    /// The epoch of an account, which only the rules of marked orders know.
    pub(super) fn epoch(&mut self, account: Address) -> Result<()> {
        if !self.side.model.rules().heed_marks() {
            return Ok(());
        }
        let epoch = U256::from(self.side.model.epoch(account));
        self.ask(&Hub::viewEpochCall { account }, Hub::viewEpochCall::abi_encode_returns(&epoch))
    }

    fn category(&mut self, number: u64) -> Result<()> {
        let category = self.side.model.category(poco_core::CategoryId(number));
        let Some(category) = category.cloned() else { return Ok(()) };
        let seconds = U256::from(category.work_clock_time_ref_seconds);
        let catid = U256::from(number);
        let view = Hub::Category {
            name: category.name.clone(),
            description: category.description.clone(),
            workClockTimeRef: seconds,
        };
        let call = Hub::viewCategoryCall { catid };
        self.ask(&call, Hub::viewCategoryCall::abi_encode_returns(&view))?;
        let call = Hub::viewCategoryABILegacyCall { catid };
        let view = Hub::viewCategoryABILegacyReturn {
            _0: category.name,
            _1: category.description,
            _2: seconds,
        };
        self.ask(&call, Hub::viewCategoryABILegacyCall::abi_encode_returns(&view))
    }

    fn constants(&mut self) -> Result<()> {
        let word = |number: u64| U256::from(number).to_be_bytes_vec();
        self.ask(&Hub::contribution_deadline_ratioCall {}, word(7))?;
        self.ask(&Hub::reveal_deadline_ratioCall {}, word(2))?;
        self.ask(&Hub::final_deadline_ratioCall {}, word(10))?;
        self.ask(&Hub::workerpool_stake_ratioCall {}, word(30))?;
        self.ask(&Hub::kitty_ratioCall {}, word(10))?;
        self.ask(&Hub::kitty_minCall {}, word(1_000_000_000))?;
        self.ask(&Hub::groupmember_purposeCall {}, word(4))?;
        self.ask(&Hub::kitty_addressCall {}, KITTY.into_word().to_vec())?;
        self.ask(&Hub::decimalsCall {}, word(9))?;
        let name = Hub::nameCall::abi_encode_returns(&"Staked RLC".into());
        self.ask(&Hub::nameCall {}, name)?;
        let symbol = Hub::symbolCall::abi_encode_returns(&"SRLC".into());
        self.ask(&Hub::symbolCall {}, symbol)?;
        self.ask(&Hub::tokenCall {}, self.places.token.into_word().to_vec())?;
        let [apps, datasets, pools] = self.places.registries;
        self.ask(&Hub::appregistryCall {}, apps.into_word().to_vec())?;
        self.ask(&Hub::datasetregistryCall {}, datasets.into_word().to_vec())?;
        self.ask(&Hub::workerpoolregistryCall {}, pools.into_word().to_vec())
    }
}
