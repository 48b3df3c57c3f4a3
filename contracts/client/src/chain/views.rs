//! Deals, tasks, contributions, accounts, categories, orders.

use super::Chain;
use super::read::decode;
use crate::abi::{Group, Hub, Token, views};
use crate::rpc::{Answer, RpcCall, RpcError};
use crate::transaction::GroupPurpose;
use poco_core::category::Category;
use poco_core::task::{ContributionView, TaskView};
use poco_core::{Address, Amount, Bytes, CategoryId, Deal, DealId, OrderHash, TaskId, U256};

/// Purpose of a group's members (ERC-734), as the hub asks for it.
pub(super) const GROUP_MEMBER_PURPOSE: U256 = GroupPurpose::Member.number();

/// An account in the hub.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Account {
    /// Free stake.
    pub free: Amount,
    /// Frozen stake.
    pub locked: Amount,
}

impl Chain {
    /// A deal; `None` where there is none.
    ///
    /// # Errors
    /// [`RpcError`] where no node answered.
    pub async fn deal(&self, id: DealId) -> Result<Option<Deal>, RpcError> {
        let view = self.view(self.hub(), Hub::viewDealCall { id: id.0 }).await?;
        views::deal(view).map_err(|error| RpcError::unexpected("viewDeal", error))
    }

    /// A task; all zero where nobody opened it.
    ///
    /// # Errors
    /// [`RpcError`] where no node answered.
    pub async fn task(&self, id: TaskId) -> Result<TaskView, RpcError> {
        let view = self.view(self.hub(), Hub::viewTaskCall { id: id.0 }).await?;
        views::task(view).map_err(|error| RpcError::unexpected("viewTask", error))
    }

    /// Some tasks in one batch, in the same order.
    ///
    /// # Errors
    /// [`RpcError`] where no node answered.
    pub async fn tasks(&self, ids: &[TaskId]) -> Result<Vec<TaskView>, RpcError> {
        let call = |id: &TaskId| self.view_of(self.hub(), &Hub::viewTaskCall { id: id.0 });
        let answers = self.read(ids.iter().map(call).collect()).await?;
        let view = |answer| {
            let view = unrefused::<Hub::viewTaskCall>(answer)?;
            views::task(view).map_err(|error| RpcError::unexpected("viewTask", error))
        };
        answers.into_iter().map(view).collect()
    }

    /// Contributions of workers to tasks, each with the worker's score, in one batch and the same
    /// order.
    ///
    /// # Errors
    /// [`RpcError`] where no node answered.
    pub async fn contributions(
        &self,
        of: &[(TaskId, Address)],
    ) -> Result<Vec<(ContributionView, U256)>, RpcError> {
        if of.is_empty() {
            return Ok(Vec::new());
        }
        let calls = of.iter().flat_map(|(task, worker)| {
            let contribution = Hub::viewContributionCall { taskid: task.0, worker: *worker };
            let score = Hub::viewScoreCall { worker: *worker };
            [self.view_of(self.hub(), &contribution), self.view_of(self.hub(), &score)]
        });
        let mut answers = self.read(calls.collect()).await?.into_iter();
        let mut next = || answers.next().unwrap_or_else(Answer::missing);
        let mut all = Vec::with_capacity(of.len());
        for _ in of {
            let view = unrefused::<Hub::viewContributionCall>(next())?;
            let view = views::contribution(view)
                .map_err(|error| RpcError::unexpected("viewContribution", error))?;
            all.push((view, unrefused::<Hub::viewScoreCall>(next())?));
        }
        Ok(all)
    }

    /// One worker's contribution to a task; all zero where there is none.
    ///
    /// # Errors
    /// [`RpcError`] where no node answered.
    pub async fn contribution(
        &self,
        task: TaskId,
        worker: Address,
    ) -> Result<ContributionView, RpcError> {
        let call = Hub::viewContributionCall { taskid: task.0, worker };
        let view = self.view(self.hub(), call).await?;
        views::contribution(view).map_err(|error| RpcError::unexpected("viewContribution", error))
    }

    /// Free and frozen stake of an account.
    ///
    /// # Errors
    /// [`RpcError`] where no node answered.
    pub async fn account(&self, owner: Address) -> Result<Account, RpcError> {
        let view = self.view(self.hub(), Hub::viewAccountCall { account: owner }).await?;
        Ok(Account { free: Amount(view.stake), locked: Amount(view.locked) })
    }

    /// A worker's score.
    ///
    /// # Errors
    /// [`RpcError`] where no node answered.
    pub async fn score(&self, worker: Address) -> Result<U256, RpcError> {
        self.view(self.hub(), Hub::viewScoreCall { worker }).await
    }

    /// A category; `None` where there is none.
    ///
    /// # Errors
    /// [`RpcError`] where no node answered.
    pub async fn category(&self, id: CategoryId) -> Result<Option<Category>, RpcError> {
        let call = Hub::viewCategoryCall { catid: U256::from(id.0) };
        match self.try_view(self.hub(), call).await? {
            Ok(view) => views::category(view)
                .map(Some)
                .map_err(|error| RpcError::unexpected("viewCategory", error)),
            Err(_out_of_range) => Ok(None),
        }
    }

    /// How many categories there are.
    ///
    /// # Errors
    /// [`RpcError`] where no node answered.
    pub async fn category_count(&self) -> Result<u64, RpcError> {
        let count = self.view(self.hub(), Hub::countCategoryCall {}).await?;
        views::small("countCategory", count)
            .map_err(|error| RpcError::unexpected("countCategory", error))
    }

    /// How much of an order's volume was used or cancelled.
    ///
    /// # Errors
    /// [`RpcError`] where no node answered.
    pub async fn consumed(&self, order: OrderHash) -> Result<U256, RpcError> {
        self.view(self.hub(), Hub::viewConsumedCall { id: order.0 }).await
    }

    /// Whether `owner` agreed to an order: by `sign`, by a contract's word, or on chain before.
    ///
    /// # Errors
    /// [`RpcError`] where no node answered.
    pub async fn is_signed(
        &self,
        owner: Address,
        order: OrderHash,
        sign: &Bytes,
    ) -> Result<bool, RpcError> {
        let call = Hub::verifyPresignatureOrSignatureCall {
            identity: owner,
            hash: order.0,
            sign: sign.clone(),
        };
        // A signature of an impossible length is refused rather than denied.
        Ok(self.try_view(self.hub(), call).await?.unwrap_or(false))
    }

    /// Whether the contract `group` counts `member` in; false for what is no group.
    ///
    /// # Errors
    /// [`RpcError`] where no node answered.
    pub async fn is_group_member(&self, group: Address, member: Address) -> Result<bool, RpcError> {
        let call =
            Group::keyHasPurposeCall { key: member.into_word(), purpose: GROUP_MEMBER_PURPOSE };
        let [answer] = self.views([self.view_of(group, &call)]).await?;
        super::read::yes_or_no(answer)
    }

    /// Tokens of an account outside the hub.
    ///
    /// # Errors
    /// [`RpcError`] where no node answered.
    pub async fn token_balance(&self, owner: Address) -> Result<Amount, RpcError> {
        let call = Token::balanceOfCall { account: owner };
        self.view(self.token(), call).await.map(Amount)
    }

    /// Wei of an account: what it can spend on gas.
    ///
    /// # Errors
    /// [`RpcError`] where no node answered.
    pub async fn gas_balance(&self, owner: Address) -> Result<U256, RpcError> {
        let [answer] = self.views([RpcCall::balance(owner, self.block_tag())]).await?;
        answer.parse()
    }
}

/// What a view gave that the hub never refuses.
fn unrefused<C: alloy_sol_types::SolCall>(answer: Answer) -> Result<C::Return, RpcError> {
    decode::<C>(answer)?.map_err(|refusal| RpcError::unexpected(C::SIGNATURE, refusal))
}
