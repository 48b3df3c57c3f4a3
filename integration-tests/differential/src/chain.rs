//! A chain in memory: revm over a database that sequences copy.

use crate::abi::Hub;
use crate::recovery;
use alloy_primitives::{Address, Bytes, Log, TxKind, U256};
use anyhow::{Context as _, Result, bail};
use revm::context::result::{ExecutionResult, Output};
use revm::context::{BlockEnv, CfgEnv, Context, TxEnv};
use revm::database::{CacheDB, EmptyDB};
use revm::handler::{ExecuteCommitEvm, ExecuteEvm, MainBuilder, MainnetContext, MainnetEvm};
use revm::primitives::hardfork::SpecId;
use revm::state::{AccountInfo, Bytecode};
use std::collections::BTreeMap;

/// EIP-155 id of the chain.
pub const CHAIN_ID: u64 = 31337;
/// Gas of each transaction: more than anything needs, so that nothing depends on it.
const GAS: u64 = 500_000_000;

type Database = CacheDB<EmptyDB>;

/// One chain.
pub struct Chain {
    evm: MainnetEvm<MainnetContext<Database>>,
    /// How often each function was asked.
    asked: BTreeMap<[u8; 4], u64>,
}

/// What a transaction did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was carried out.
    Done {
        /// What it returned.
        output: Bytes,
        /// What it logged.
        logs: Vec<Log>,
    },
    /// It was refused, with these bytes; nothing where it ran out of something.
    Refused(Bytes),
}

impl Chain {
    /// An empty chain.
    #[must_use]
    pub fn new() -> Self {
        recovery::remember();
        Self::over(CacheDB::new(EmptyDB::new()))
    }

    /// A copy that goes its own way.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self::over(self.evm.ctx.journaled_state.database.clone())
    }

    fn over(database: Database) -> Self {
        let mut cfg = CfgEnv::new_with_spec(SpecId::PRAGUE).with_chain_id(CHAIN_ID);
        cfg.disable_nonce_check = true;
        cfg.disable_eip3607 = true;
        cfg.disable_balance_check = true;
        cfg.disable_base_fee = true;
        cfg.tx_gas_limit_cap = Some(u64::MAX);
        let context: MainnetContext<Database> = Context::new(database, SpecId::PRAGUE);
        Self { evm: context.with_cfg(cfg).build_mainnet(), asked: BTreeMap::new() }
    }

    /// Moves to a block of this time.
    pub fn set_time(&mut self, seconds: u64) {
        let block = BlockEnv {
            timestamp: U256::from(seconds),
            number: U256::ONE,
            gas_limit: GAS,
            ..BlockEnv::default()
        };
        self.evm.set_block(block);
    }

    /// Deploys a contract.
    ///
    /// # Errors
    /// Where its creation fails.
    pub fn create(&mut self, sender: Address, code: Bytes) -> Result<Address> {
        let result = self.evm.transact_commit(transaction(sender, TxKind::Create, code))?;
        match &result {
            ExecutionResult::Success { output: Output::Create(_, made), .. } => {
                made.context("a creation has an address")
            }
            ExecutionResult::Success { .. }
            | ExecutionResult::Revert { .. }
            | ExecutionResult::Halt { .. } => bail!("a contract was not created: {result:?}"),
        }
    }

    /// Sends a transaction.
    ///
    /// # Errors
    /// Where the machine itself fails.
    pub fn send(&mut self, sender: Address, to: Address, data: Bytes) -> Result<Answer> {
        let result = self.evm.transact_commit(transaction(sender, TxKind::Call(to), data))?;
        Ok(answer(result))
    }

    /// Asks without leaving a trace.
    ///
    /// # Errors
    /// Where the machine itself fails.
    pub fn ask(&mut self, to: Address, data: Bytes) -> Result<Answer> {
        if let Some(selector) = data.get(..4).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok()) {
            *self.asked.entry(selector).or_default() += 1;
        }
        let tx = transaction(Address::repeat_byte(0xa5), TxKind::Call(to), data);
        Ok(answer(self.evm.transact(tx)?.result))
    }

    /// Adds how often each of the hub's functions was asked.
    pub fn count_views(&self, views: &mut BTreeMap<String, u64>) {
        for (selector, count) in &self.asked {
            if let Some(name) = Hub::HubCalls::name_by_selector(*selector) {
                *views.entry(name.to_owned()).or_default() += count;
            }
        }
    }

    /// Writes a slot of a contract from outside.
    pub fn store(&mut self, contract: Address, slot: U256, word: U256) {
        let database = &mut self.evm.ctx.journaled_state.database;
        let Ok(()) = database.insert_account_storage(contract, slot, word);
    }

    /// Gives an account code, or takes it away, from outside. Its storage stays.
    pub fn set_code(&mut self, account: Address, code: Bytes) {
        let database = &mut self.evm.ctx.journaled_state.database;
        let bytecode = Bytecode::new_legacy(code);
        let info = AccountInfo { nonce: 1, ..AccountInfo::default() }.with_code(bytecode);
        database.insert_account_info(account, info);
    }
}

impl Default for Chain {
    fn default() -> Self {
        Self::new()
    }
}

fn transaction(caller: Address, kind: TxKind, data: Bytes) -> TxEnv {
    TxEnv {
        caller,
        kind,
        data,
        gas_limit: GAS,
        gas_price: 0,
        chain_id: Some(CHAIN_ID),
        ..TxEnv::default()
    }
}

fn answer(result: ExecutionResult) -> Answer {
    match result {
        ExecutionResult::Success { output, logs, .. } => {
            Answer::Done { output: output.into_data(), logs }
        }
        ExecutionResult::Revert { output, .. } => Answer::Refused(output),
        ExecutionResult::Halt { .. } => Answer::Refused(Bytes::new()),
    }
}
