//! The views of deals, tasks and contributions.

use super::Inquiry;
use crate::abi::Hub;
use alloy_primitives::aliases::U40;
use alloy_primitives::{Address, U256};
use alloy_sol_types::SolCall;
use anyhow::Result;
use poco_core::task::{ContributionView, TaskStatus, TaskView};
use poco_core::{Deal, DealId, Resource, TaskId};

impl Inquiry<'_> {
    pub(super) fn deal(&mut self, id: DealId) -> Result<()> {
        let deal = self.side.model.deal(id).cloned().unwrap_or_default();
        let call = Hub::viewDealCall { id: id.0 };
        self.ask(&call, Hub::viewDealCall::abi_encode_returns(&deal_view(&deal)))?;
        if self.side.model.rules().heed_marks() {
            let kept = self.side.model.deal_conditions(id);
            let call = Hub::viewDealConditionsCall { dealid: id.0 };
            let view = Hub::viewDealConditionsReturn {
                conditions: U256::from(kept.conditions().bits()),
                guard: kept.guard().unwrap_or_default(),
            };
            self.ask(&call, Hub::viewDealConditionsCall::abi_encode_returns(&view))?;
        }
        let call = Hub::viewDealABILegacy_pt1Call { id: id.0 };
        let view = Hub::viewDealABILegacy_pt1Return {
            _0: deal.app.pointer,
            _1: deal.app.owner,
            _2: deal.app.price.0,
            _3: deal.dataset.pointer,
            _4: deal.dataset.owner,
            _5: deal.dataset.price.0,
            _6: deal.workerpool.pointer,
            _7: deal.workerpool.owner,
            _8: deal.workerpool.price.0,
        };
        self.ask(&call, Hub::viewDealABILegacy_pt1Call::abi_encode_returns(&view))?;
        let call = Hub::viewDealABILegacy_pt2Call { id: id.0 };
        let view = Hub::viewDealABILegacy_pt2Return {
            _0: deal.trust,
            _1: deal.tag.0,
            _2: deal.requester,
            _3: deal.beneficiary,
            _4: deal.callback,
            _5: deal.params.clone(),
        };
        self.ask(&call, Hub::viewDealABILegacy_pt2Call::abi_encode_returns(&view))?;
        let call = Hub::viewConfigABILegacyCall { id: id.0 };
        let view = Hub::viewConfigABILegacyReturn {
            _0: U256::from(deal.category.0),
            _1: U256::from(deal.start_time.0),
            _2: deal.bot_first,
            _3: deal.bot_size,
            _4: deal.worker_stake.0,
            _5: deal.scheduler_reward_ratio,
        };
        self.ask(&call, Hub::viewConfigABILegacyCall::abi_encode_returns(&view))
    }

    /// A deal of the boost lane; on chain its record is shorter.
    pub(super) fn boosted_deal(&mut self, id: DealId) -> Result<()> {
        let deal = self.side.model.boosted_deal(id).cloned().unwrap_or_default();
        let category = self.side.model.category(deal.category);
        let seconds = category.map_or(0, |it| it.work_clock_time_ref_seconds);
        let deadline = deal.deadlines(seconds).contribution.0;
        let call = Hub::viewDealBoostCall { id: id.0 };
        let view = boosted_view(&deal, if deal.bot_size.is_zero() { 0 } else { deadline });
        self.ask(&call, Hub::viewDealBoostCall::abi_encode_returns(&view))
    }

    pub(super) fn task(&mut self, id: TaskId) -> Result<()> {
        let view = task_view(self.side.model.task(id));
        let call = Hub::viewTaskCall { id: id.0 };
        self.ask(&call, Hub::viewTaskCall::abi_encode_returns(&view))
    }

    pub(super) fn task_in_full(&mut self, id: TaskId) -> Result<()> {
        let view = task_view(self.side.model.task(id));
        let is_completed = view.status == TaskStatus::Completed as u8;
        let callback = view.resultsCallback.clone();
        let legacy = Hub::viewTaskABILegacyReturn {
            _0: view.status,
            _1: view.dealid,
            _2: view.idx,
            _3: view.timeref,
            _4: view.contributionDeadline,
            _5: view.revealDeadline,
            _6: view.finalDeadline,
            _7: view.consensusValue,
            _8: view.revealCounter,
            _9: view.winnerCounter,
            _10: view.contributors,
            _11: view.results,
        };
        let call = Hub::viewTaskABILegacyCall { taskid: id.0 };
        self.ask(&call, Hub::viewTaskABILegacyCall::abi_encode_returns(&legacy))?;
        let wanted = is_completed.then(|| Hub::resultForCall::abi_encode_returns(&callback));
        let to = self.places.hub;
        self.ask_at(to, &Hub::resultForCall { id: id.0 }, wanted)
    }

    pub(super) fn contribution(&mut self, task: TaskId, worker: Address) -> Result<()> {
        let ContributionView { status, hash, seal, enclave_challenge, weight } =
            self.side.model.contribution(task, worker);
        let view = Hub::Contribution {
            status: status as u8,
            resultHash: hash.0,
            resultSeal: seal.0,
            enclaveChallenge: enclave_challenge,
            weight,
        };
        let call = Hub::viewContributionCall { taskid: task.0, worker };
        self.ask(&call, Hub::viewContributionCall::abi_encode_returns(&view))?;
        let call = Hub::viewContributionABILegacyCall { taskid: task.0, worker };
        let view = Hub::viewContributionABILegacyReturn {
            _0: status as u8,
            _1: hash.0,
            _2: seal.0,
            _3: enclave_challenge,
        };
        self.ask(&call, Hub::viewContributionABILegacyCall::abi_encode_returns(&view))
    }
}

fn deal_view(deal: &Deal) -> Hub::Deal {
    let resource = |resource: &Resource| Hub::Resource {
        pointer: resource.pointer,
        owner: resource.owner,
        price: resource.price.0,
    };
    Hub::Deal {
        app: resource(&deal.app),
        dataset: resource(&deal.dataset),
        workerpool: resource(&deal.workerpool),
        trust: deal.trust,
        category: U256::from(deal.category.0),
        tag: deal.tag.0,
        requester: deal.requester,
        beneficiary: deal.beneficiary,
        callback: deal.callback,
        params: deal.params.clone(),
        startTime: U256::from(deal.start_time.0),
        botFirst: deal.bot_first,
        botSize: deal.bot_size,
        workerStake: deal.worker_stake.0,
        schedulerRewardRatio: deal.scheduler_reward_ratio,
        sponsor: deal.sponsor,
    }
}

fn boosted_view(deal: &Deal, deadline: u64) -> Hub::DealBoost {
    let percent = U256::from(100).saturating_sub(deal.scheduler_reward_ratio);
    let worker_reward = deal.workerpool.price.percentage_floor(percent).unwrap_or_default();
    let [.., first, second, third] = deal.tag.0.0;
    Hub::DealBoost {
        appOwner: deal.app.owner,
        appPrice: deal.app.price.0.saturating_to(),
        datasetOwner: deal.dataset.owner,
        datasetPrice: deal.dataset.price.0.saturating_to(),
        workerpoolOwner: deal.workerpool.owner,
        workerpoolPrice: deal.workerpool.price.0.saturating_to(),
        requester: deal.requester,
        workerReward: worker_reward.0.saturating_to(),
        callback: deal.callback,
        deadline: U40::from(deadline),
        botFirst: deal.bot_first.saturating_to(),
        botSize: deal.bot_size.saturating_to(),
        shortTag: [first, second, third].into(),
        sponsor: deal.sponsor,
    }
}

fn task_view(view: TaskView) -> Hub::Task {
    Hub::Task {
        status: view.status as u8,
        dealid: view.deal.0,
        idx: view.index,
        timeref: U256::from(view.work_clock_time_ref_seconds),
        contributionDeadline: U256::from(view.contribution_deadline.0),
        revealDeadline: U256::from(view.reveal_deadline.0),
        finalDeadline: U256::from(view.final_deadline.0),
        consensusValue: view.consensus.0,
        revealCounter: U256::from(view.reveal_count),
        winnerCounter: U256::from(view.winner_count),
        contributors: view.contributors,
        resultDigest: view.digest.0,
        results: view.results,
        resultsTimestamp: U256::from(view.results_time.0),
        resultsCallback: view.results_callback,
    }
}
