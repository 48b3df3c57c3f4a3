// The faults that `mutants.mjs` plants: each replaces one place in a file of `src/` by what somebody might have
// written. `tests` names the files, without `.t.sol`, that are likeliest to notice. Left out is what changes
// nothing that anybody could see, as a check that holds anyway.

const fault = (name, file, from, to, tests) => ({name, file, from, to, tests});

const CONSENSUS = [
  fault("consensus is not strict", "hub/Consensus.sol", "return group * trust > total", "return group * trust >= total", "Lifecycle,Vectors"),
  fault("the least weight is 1", "hub/Consensus.sol", "max(score / 3, 3)", "max(score / 3, 2)", "Lifecycle,Vectors"),
  fault("an empty group stays empty", "hub/Consensus.sol", "FixedPointMathLib.max(group, 1) * weight", "group * weight", "Lifecycle,Vectors"),
  fault("weights of a group are added up", "hub/Contributions.sol", "tally.product = product * weight;", "tally.product = product + weight;", "Lifecycle,Vectors"),
  fault("rejected votes go on to count", "hub/Contributions.sol", "if (vote.isRejected()) continue;", "", "Settlement"),
  fault("all contributors count as winners", "hub/Contributions.sol", "_revealDeadline(deal, last), tally.members,", "_revealDeadline(deal, last), count + 1,", "Lifecycle,Settlement"),
  fault("the winning group is always the first", "hub/Contributions.sol", "tally.members, tally.group);", "tally.members, 0);", "Lifecycle,Settlement"),
  fault("a trust of zero stays zero", "hub/OrderChecks.sol", "order.trust == 0 ? 1 : order.trust", "order.trust", "Matching"),
];

const CONTRIBUTIONS = [
  fault("contributions at the deadline", "hub/Contributions.sol", "_contributionDeadline(task, deal);\n        if (deadline <= block", "_contributionDeadline(task, deal);\n        if (deadline < block", "Lifecycle"),
  fault("a wallet contributes twice", "hub/Contributions.sol", "if (vote.worker() == msg.sender) revert AlreadyContributed(taskid, msg.sender);", "", "Lifecycle"),
  fault("a 25th contribution", "hub/Contributions.sol", "count == CONTRIBUTORS_MAX", "count > CONTRIBUTORS_MAX", "BadInput"),
  fault("no authorization is needed", "hub/Contributions.sol", "if (!_isSigned(authority, hash, authorizationSign)) {", "if (!_isSigned(authority, hash, authorizationSign) && false) {", "Lifecycle,Fast"),
  fault("an authorization for any enclave", "hub/Contributions.sol", "_authorization(msg.sender, taskid, challenge)", "_authorization(msg.sender, taskid, address(0))", "Lifecycle,Fast"),
  fault("no enclave is needed", "hub/Contributions.sol", "deal.tag() & TEE_BIT_OF_TAG != 0", "deal.tag() & TEE_BIT_OF_TAG == bytes32(uint256(2))", "Fast"),
  fault("an enclave need not sign", "hub/Contributions.sol", "if (!_isSigned(challenge, hash, enclaveSign)) revert", "if (!_isSigned(challenge, hash, enclaveSign) && false) revert", "Fast"),
  fault("the broker is not asked", "hub/Contributions.sol", "authority = _teeBroker;", "authority = deal.poolOwner();", "Fast"),
  fault("a contribution locks nothing", "hub/Contributions.sol", "_lock(msg.sender, deal.workerStake());", "", "Lifecycle"),
  fault("the seal is told instead of the hash", "hub/Contributions.sol", "emit TaskContribute(taskId, msg.sender, resultHash);", "emit TaskContribute(taskId, msg.sender, resultSeal);", "Lifecycle,Differential"),
  fault("a seal of all ones is taken", "hub/Contributions.sol", "if (~resultSeal == 0) revert DigestMismatch(resultSeal);", "", "Lifecycle"),
  fault("the enclave of a vote is forgotten", "hub/Contributions.sol", "if (challenge != address(0)) slots.enclaveChallenge = challenge;", "", "Fast"),
];

const REVEALS = [
  fault("reveals at the deadline", "hub/Contributions.sol", "if (task.revealDeadline() <= block.timestamp) {", "if (task.revealDeadline() < block.timestamp) {", "Lifecycle"),
  fault("one T to reveal", "hub/TaskAccess.sol", "block.timestamp + deal.timeRef() * REVEAL_DEADLINE_RATIO", "block.timestamp + deal.timeRef()", "Lifecycle"),
  fault("a copied seal is revealed", "hub/Contributions.sol", " || ~sealInverted != seal)", ")", "Lifecycle"),
  fault("a loser reveals", "hub/Contributions.sol", "if (vote.group() != group) revert NotAWinner(msg.sender);", "", "Lifecycle"),
  fault("a rejected vote is revealed", "hub/Contributions.sol", "if (sealInverted == 0 || vote.isRejected()) {", "if (sealInverted == 0) {", "Settlement"),
  fault("the seal is not cleared", "hub/Contributions.sol", "slots.sealInverted = 0;", "", "Lifecycle,Settlement"),
  fault("the digest is not kept", "hub/Contributions.sol", "if (isFirst) _groups[taskId][group] = resultDigest;", "", "Lifecycle"),
  fault("reopened before the reveal deadline", "hub/Claims.sol", "if (task.revealDeadline() > block.timestamp) {", "if (task.revealDeadline() > block.timestamp + 1) {", "Settlement"),
  fault("reopened although somebody revealed", "hub/Claims.sol", "if (task.revealed() != 0) revert ITasks.RevealsExist(task.revealed());", "", "Settlement"),
  fault("reopening rejects the losers", "hub/Claims.sol", "if (vote.group() == task.winningGroup())", "if (vote.group() != task.winningGroup())", "Settlement"),
  fault("anybody acts as the pool owner", "hub/TaskSteps.sol", "if (!isForAll) revert ITasks.NotThePoolOwner(msg.sender, deal.poolOwner());", "", "Settlement"),
  fault("finalize at the final deadline", "hub/TaskSteps.sol", "FINAL_DEADLINE_RATIO;\n        if (deadline <= block", "FINAL_DEADLINE_RATIO;\n        if (deadline < block", "Settlement"),
  fault("a reopened task keeps its winners", "records/TaskWord.sol", " | uint256(type(uint8).max) << WINNERS_AT\n", "\n", "Settlement"),
];

const ENDS = [
  fault("finalized without a reveal", "hub/Settlement.sol", "task.revealed() > 0 && task.revealDeadline()", "task.revealDeadline()", "Settlement"),
  fault("finalized after the reveal deadline only", "hub/Settlement.sol", "task.revealDeadline() <= block.timestamp;", "task.revealDeadline() < block.timestamp;", "Settlement"),
  fault("a finalized task stays open", "hub/Settlement.sol", "_tasks[taskId] = task.withStatus(TaskStatus.COMPLETED);", "", "Settlement"),
  fault("the pool's stake is never unlocked", "hub/Settlement.sol", "_stakes[poolOwner].unlock(_poolStakeOf(deal)).credit(", "_stakes[poolOwner].credit(", "Settlement"),
  fault("the app's price goes to the pool", "hub/Settlement.sol", "_reward(deal.appOwner(), appPrice, taskid);", "_reward(deal.poolOwner(), appPrice, taskid);", "Settlement"),
  fault("shares are rounded up", "hub/Payout.sol", "workersPart * share / shares;", "(workersPart * share + shares - 1) / shares;", "Settlement"),
  fault("the workers' part is rounded up", "hub/Payout.sol", "total * (100 - schedulerRatio) / 100;", "(total * (100 - schedulerRatio) + 99) / 100;", "Settlement,PayoutVectors"),
  fault("seized stakes are not paid out", "hub/Settlement.sol", "deal.poolPrice() + workerStake * (task.contributors() - task.revealed());", "deal.poolPrice();", "Settlement"),
  fault("the hub's balance is not released", "hub/Settlement.sol", "released += _settleContributions(taskId, task, deal, fromKitty);", "_settleContributions(taskId, task, deal, fromKitty);", "Settlement"),
  fault("a score gains with nobody to agree", "hub/Settlement.sol", "workers.length > 1", "workers.length > 0", "Settlement"),
  fault("a lost score is rounded up", "hub/TaskSteps.sol", "account.score() * 2 / 3", "(account.score() * 2 + 2) / 3", "Settlement"),
  fault("a liar keeps its score", "hub/TaskSteps.sol", "account.withScore(account.score() * 2 / 3)", "account", "Settlement"),
  fault("claimed a second early", "hub/Claims.sol", "if (deadline > block.timestamp) revert ITasks.TooEarly", "if (deadline > block.timestamp + 1) revert ITasks.TooEarly", "Settlement"),
  fault("a claim refunds the pool owner", "hub/Claims.sol", "_unlock(deal.sponsor(), released);", "_unlock(deal.poolOwner(), released);", "Settlement"),
  fault("a claim forgets the first worker", "hub/Claims.sol", "for (uint256 i = 0; i < task.contributors(); ++i) {\n            ContributionSlots storage slots = _contributions[taskid][i];", "for (uint256 i = 1; i < task.contributors(); ++i) {\n            ContributionSlots storage slots = _contributions[taskid][i];", "Settlement"),
  fault("a claim leaves the kitty empty", "hub/Claims.sol", "_addToKitty(poolStake, taskid);", "", "Settlement"),
  fault("a claimed task stays open", "hub/Claims.sol", "_tasks[taskid] = task.withStatus(TaskStatus.FAILED);", "", "Settlement"),
  fault("any trust is done in one call", "hub/Settlement.sol", "if (deal.trust() != 1) revert TrustAboveOne(deal.trust());", "", "Fast"),
  fault("one call besides contributions", "hub/Settlement.sol", "if (task.contributors() != 0) revert TaskHasContributions(taskid);", "", "Fast"),
  fault("callback bytes of one's own", "hub/Settlement.sol", "if (keccak256(resultsCallback) != digest) revert CallbackMismatch();", "", "Fast"),
  fault("a callback may be starved", "hub/Callback.sol", "return gasleft() > gasLimit / 63;", "return true;", "Fast"),
  fault("what a receiver returns is copied", "hub/Callback.sol", "mload(data), 0, 0))", "mload(data), 0, 0))\n            returndatacopy(mload(0x40), 0, returndatasize())", "Callbacks"),
  fault("the kitty pays the less of both", "hub/Money.sol", "FixedPointMathLib.max(kitty * KITTY_RATIO / 100, KITTY_MIN)", "FixedPointMathLib.min(kitty * KITTY_RATIO / 100, KITTY_MIN)", "Settlement"),
];

const TASKS = [
  fault("an index behind the deal", "hub/TaskSteps.sol", "index - first >= size", "index - first > size", "Lifecycle"),
  fault("initialized twice", "hub/TaskSteps.sol", "_checkStatus(taskid, _tasks[taskid], TaskStatus.UNSET);", "", "Lifecycle"),
  fault("a result passes for a deal", "records/DealHead.sol", "return head.flags() & DealRecord.IS_DEAL != 0;", "return head.flags() != 0;", "Fast,Boost"),
  fault("a far index is cut", "hub/TaskAccess.sol", "if (offset >= TaskWords.FAR_INDEX) {", "if (offset > TaskWords.FAR_INDEX) {", "Lifecycle"),
  fault("weights of eight bits", "records/VoteWord.sol", "return uint64(VoteWord.unwrap(vote) >> WEIGHT_AT);", "return uint8(VoteWord.unwrap(vote) >> WEIGHT_AT);", "Vectors,Settlement"),
  fault("a new score keeps bits of the old", "records/StakeWord.sol", "StakeWord.unwrap(stake) << 64 >> 64 | score_", "StakeWord.unwrap(stake) | score_", "Settlement"),
  fault("unlocked stake is lost", "records/StakeWord.sol", "stake.seize(amount).credit(amount)", "stake.seize(amount)", "Settlement"),
  fault("prices of pool and app are swapped", "records/DealHead.sol", "head.read(DealRecord.POOL_PRICE_AT, 12)", "head.read(DealRecord.APP_PRICE_AT, 12)", "Settlement"),
  fault("a sponsor behind a callback is misread", "records/DealHead.sol", ": head.optional(DealRecord.HAS_DATASET | DealRecord.HAS_BENEFICIARY | DealRecord.HAS_CALLBACK);", ": head.optional(DealRecord.HAS_DATASET | DealRecord.HAS_BENEFICIARY);", "Matching,Settlement"),
  fault("a callback behind a beneficiary is misread", "records/DealHead.sol", "head.optional(DealRecord.HAS_DATASET | DealRecord.HAS_BENEFICIARY);", "head.optional(DealRecord.HAS_DATASET);", "Fast,Settlement"),
  fault("wide numbers are read narrow", "records/DealHead.sol", "DealRecord.WIDE == 0 ? 8 : 32", "DealRecord.WIDE == 0 ? 8 : 8", "Lifecycle"),
];

const MATCHING = [
  fault("the app's price must be below the maximum", "hub/OrderChecks.sol", "request.appmaxprice >= app.appprice", "request.appmaxprice > app.appprice", "Matching"),
  fault("the pool may charge more", "hub/OrderChecks.sol", "_require(request.workerpoolmaxprice >= pool.workerpoolprice, 0x05);", "", "MatchingRefusals"),
  fault("a dataset's framework binds the pool", "hub/OrderChecks.sol", "dataset.tag & ~TEE_FRAMEWORK_BITS", "dataset.tag", "Matching"),
  fault("the app's owner restricts no requester", "hub/OrderChecks.sol", "_require(_isAllowed(app.requesterrestrict, request.requester), 0x15);", "", "MatchingRefusals"),
  fault("a null dataset order restricts", "hub/OrderChecks.sol", "        if (dataset.dataset != address(0)) {\n            _require(_isAllowed(dataset.apprestrict", "        {\n            _require(_isAllowed(dataset.apprestrict", "Matching"),
  fault("the request need not be signed", "hub/OrderChecks.sol", "_require(_isSignedOrPresigned(terms.requester, hashes.request, order.sign), 0x50);", "", "MatchingRefusals"),
  fault("an order of a dataset is never spent", "hub/OrderChecks.sol", "if (hashes.dataset != 0) _consumed[hashes.dataset] += hashes.volume;", "", "Matching"),
  fault("a spent request is found out by its record", "hub/OrderChecks.sol", " && !_isUsedUp(hashes.request, terms.botFirst), 0x60", ", 0x60", "MatchingRefusals"),
  fault("a request in part is not spent", "hub/OrderChecks.sol", "if (hashes.volume != requestVolume) _consumed", "if (hashes.volume > requestVolume) _consumed", "Matching"),
  fault("the pool's stake is rounded for all tasks", "hub/OrderChecks.sol", "Payout.poolStakeOf(terms.poolPrice) * volume", "terms.poolPrice * Payout.POOL_STAKE_RATIO * volume / 100", "Matching"),
  fault("a stake that is not there is locked", "hub/Money.sol", "require(amount <= _stakes[account].free(), \"IexecEscrow: Transfer amount exceeds balance\");", "", "MatchingRefusals,Lifecycle"),
  fault("the requester pays for the sponsor", "hub/Matching.sol", "workerpoolOrder, requestOrder, msg.sender);", "workerpoolOrder, requestOrder, requestOrder.requester);", "Matching"),
];

const SIGNATURES = [
  fault("mirrored signatures are taken", "hub/Signatures.sol", "if (s > MAX_S) return false;", "", "OrderManagement,BadInput"),
  fault("the zero address signs", "hub/Signatures.sol", "return signer != address(0) && signer == account;", "return signer == account;", "OrderManagement,BadInput"),
  fault("a group may say two", "hub/Signatures.sol", "abi.decode(answer, (uint256)) == 1", "abi.decode(answer, (uint256)) != 0", "MatchingRefusals"),
  fault("the parity of short signatures is off", "hub/Signatures.sol", "uint8(vs >> 255) + 27", "uint8(vs >> 255) + 28", "OrderManagement"),
  fault("a closed order is not spent", "hub/OrderManagement.sol", "else _consumed[orderHash] = volume;", "", "OrderManagement"),
  fault("anybody closes orders", "hub/OrderManagement.sol", "require(_isSigned(account, hash, sign), \"invalid-sender-or-signature\");", "", "OrderManagement"),
];

const BOOST = [
  fault("boost: pushed at the deadline", "hub/Boost.sol", "block.timestamp < deal.deadline", "block.timestamp <= deal.deadline", "Boost"),
  fault("boost: claimed after the deadline only", "hub/Boost.sol", "deal.deadline <= block.timestamp", "deal.deadline < block.timestamp", "Boost"),
  fault("boost: the requester pays for the sponsor", "hub/Boost.sol", "_seize(deal.sponsor, _priceOf(deal), taskid);", "_seize(deal.requester, _priceOf(deal), taskid);", "Boost"),
  fault("boost: pushed twice", "hub/Boost.sol", "_tasks[taskid] = TaskWord.wrap(0).withStatus(TaskStatus.COMPLETED);", "", "Boost"),
  fault("boost: an index behind the deal", "hub/Boost.sol", "index < deal.botSize", "index <= deal.botSize", "Boost"),
  fault("boost: a volume is cut to 16 bits", "hub/Boost.sol", "uint16(_fit(terms.botSize, 16))", "uint16(terms.botSize)", "Boost"),
  fault("boost: the pool keeps the kitty's part locked", "hub/Boost.sol", "_release(_priceOf(deal) + poolStake + kittyPart);", "_release(_priceOf(deal) + poolStake);", "Boost"),
];

const REST = [
  fault("an allowance is not used up", "hub/StakeToken.sol", "_approve(sender, msg.sender, allowed - amount);", "_approve(sender, msg.sender, allowed);", "Escrow"),
  fault("a withdrawal leaves the supply", "hub/Escrow.sol", "_supply.total -= uint96(amount);", "", "Escrow"),
  fault("any token is a deposit", "hub/Escrow.sol", "require(token_ == _token, \"wrong-token\");", "", "Escrow"),
  fault("a supply of more than 96 bits", "hub/Escrow.sol", "if (supply > type(uint96).max) revert SupplyTooLarge(supply);", "", "Escrow"),
  fault("anybody sets the broker", "hub/Configuration.sol", "function setTeeBroker(address teebroker_) external onlyOwner {", "function setTeeBroker(address teebroker_) external {", "Configuration"),
  fault("a score is imported again", "hub/Configuration.sol", "_scoreImported[worker] = true;", "", "Configuration"),
  fault("an imported score lowers", "hub/Configuration.sol", "if (score > _stakes[worker].score()) _stakes", "_stakes", "Configuration"),
  fault("an approval outlives a transfer", "registries/EntryToken.sol", "delete _approved[tokenId];", "", "Registries"),
  fault("a moved token forgets its place", "registries/EntryToken.sol", "_tokens[uint160(_entries[last])].position = position;", "", "Registries"),
  fault("anybody sets a policy", "WorkerpoolRegistry.sol", "if (_tokens[uint160(msg.sender)].owner == address(0)) revert NotAnEntry(msg.sender);", "", "Registries"),
];

const CONDITIONS = [
  fault("an expired order matches a second more", "hub/OrderMarking.sol", "mark.expiry() <= block.timestamp", "mark.expiry() < block.timestamp", "Conditions"),
  fault("a later epoch is good too", "hub/OrderMarking.sol", "mark.epoch() != _epochs[signer]", "mark.epoch() < _epochs[signer]", "Conditions"),
  fault("unknown conditions are passed over", "hub/OrderMarking.sol", "mark.conditions() & ~known != 0", "false && known != 0", "Conditions"),
  fault("a dataset's order never expires", "hub/OrderMarking.sol", "if (terms.dataset != address(0)) _readMark(dataset, terms.datasetOwner, 0);", "", "Conditions"),
  fault("a pool need not offer", "hub/OrderMarking.sol", "asked & ~offered != 0", "false && offered != 0", "Conditions"),
  fault("any guard will do", "hub/OrderMarking.sol", "_checkSameGuard(request, terms.guard);", "", "Conditions"),
  fault("the requester pays though it asked for a sponsor", "hub/OrderMarking.sol", "terms.sponsor == terms.requester", "terms.sponsor == address(0)", "Conditions"),
  fault("bound results may be others", "hub/Settlement.sol", "keccak256(results) == digest;", "results.length > 0;", "Conditions"),
  fault("results beside a bound callback", "hub/Settlement.sol", "? results.length == 0 :", "? true :", "Conditions"),
  fault("strangers finalize what is bound to nothing", "hub/TaskSteps.sol", "deal.conditions() & forAll != 0 && task", "task", "Conditions"),
  fault("strangers finalize before the time for reveals is over", "hub/TaskSteps.sol", " && task.revealDeadline() <= block.timestamp;", ";", "Conditions"),
  fault("every deal is strict", "hub/Claims.sol", "if (isStrict && _isWithheld(slots, task)) {", "if (_isWithheld(slots, task)) {", "Settlement,Conditions"),
  fault("a dissenter pays for withholding", "hub/Claims.sol", " || vote.group() != task.winningGroup()) return false;", ") return false;", "Conditions,Settlement"),
  fault("who made a task reopen goes free", "hub/Claims.sol", "if (vote.isRejected()) return true;", "", "Conditions"),
  fault("every reopened task has until 9T", "hub/TaskAccess.sol", "bool isLonger = task.wasReopened() && _isStrict(deal);", "bool isLonger = task.wasReopened();", "Conditions"),
  fault("reveals outlast the task", "hub/TaskAccess.sol", "deal.startTime() + deal.timeRef() * last\n        );", "type(uint256).max\n        );", "Conditions"),
  fault("late reveals leave no time to vote anew", "hub/Contributions.sol", "isEarly ? STRICT_REVEALS_END_RATIO : FINAL_DEADLINE_RATIO", "FINAL_DEADLINE_RATIO", "Conditions"),
  fault("strangers vote under a guard", "hub/Guards.sol", "conditions & OrderMarks.KNOWN_WORKERS != 0 && !_isKnown", "conditions == 0 && !_isKnown", "Conditions"),
  fault("any enclave passes the guard", "hub/Guards.sol", "if (!_isKnown(guard, challenge, ENCLAVE_PURPOSE)) {", "if (challenge == guard) {", "Conditions"),
  fault("the boost lane drops conditions", "hub/Boost.sol", "if (terms.conditions != 0) revert IConditions.ConditionsWithoutLane(terms.conditions);", "", "Conditions"),
];

const LANE = [
  fault("lane: a commit at 7T", "hub/Commits.sol", "CONTRIBUTION_DEADLINE_RATIO;\n        if (deadline <= block", "CONTRIBUTION_DEADLINE_RATIO;\n        if (deadline < block", "Lane"),
  fault("lane: ballots need no signature", "hub/Commits.sol", "if (!_isSignedByKey(voter, _typedDataHash(structHash), ballot.sign)) {", "if (voter == address(0)) {", "Lane"),
  fault("lane: a task is committed again", "hub/Commits.sol", "} else if (task.wasCommitted()) {", "} else if (task.isCommitted()) {", "Lane,LaneStops"),
  fault("lane: a bond is locked once for all votes", "hub/Commits.sol", "_lockBond(worker, deal.pool(), votes * deal.workerStake());", "_lockBond(worker, deal.pool(), deal.workerStake());", "Lane,LaneStops"),
  fault("lane: any row will do", "hub/Commits.sol", "if (found != _commits[key]) revert", "if (_commits[key] == 0) revert", "Lane"),
  fault("lane: who voted on chain votes again", "hub/Commits.sol", "if (address(uint160(row.read(j * ENTRY_SIZE, 20))) == worker) {", "if (address(uint160(row.read(j * ENTRY_SIZE, 20))) == address(this)) {", "Lane"),
  fault("lane: anybody commits", "hub/Commits.sol", "if (msg.sender != deal.poolOwner()) revert ITasks.NotThePoolOwner(msg.sender, deal.poolOwner());", "", "Lane"),
  fault("lane: a copied vote counts", "hub/Batches.sol", "} else if (vote.resultSeal == _resultSeal(worker, count.taskid, outcome.digest)) {", "} else if (vote.resultSeal != 0) {", "Lane"),
  fault("lane: silence is punished at once", "hub/Batches.sol", "ledger.isRevealOver && count", "count", "LaneStops"),
  fault("lane: strangers settle at once", "hub/Batches.sol", "if (grace > block.timestamp) revert NotYours(msg.sender, grace);", "", "LaneStops"),
  fault("lane: strangers say where results lie", "hub/Batches.sol", "if (outcomes[i].results.length > 0) revert ResultsUnbound(msg.sender);", "", "LaneStops"),
  fault("lane: settled without consensus", "hub/Batches.sol", "} else if (!_isReached(count, ledger.deal.trust())) {", "} else if (count.winners == 0) {", "Lane,LaneStops"),
  fault("lane: other votes weigh nothing", "hub/Batches.sol", "_addOther(count, next, vote.resultHash, ledger.weights.get(position));", "", "Lane"),
  fault("lane: callback bytes of one's own", "hub/Batches.sol", "if (hasCallback && keccak256(outcome.resultsCallback) != outcome.digest) return false;", "", "Lane"),
  fault("lane: bound results may be others", "hub/Batches.sol", "return keccak256(outcome.results) == outcome.digest;", "return true;", "Conditions"),
  fault("lane: settled after 10T", "hub/Batches.sol", "FINAL_DEADLINE_RATIO;\n        if (deadline <= block.timestamp) revert ITasks.TooLate(deadline, block.timestamp);", "FINAL_DEADLINE_RATIO;", "Lane,LaneStops,BadInput"),
  fault("lane: losers keep their bond", "hub/BatchMoney.sol", ".unlock(kept).spend(lost)", ".unlock(kept + lost)", "Lane,LaneStops"),
  fault("lane: the kitty is not emptied", "hub/BatchMoney.sol", "if (ledger.kittyPaid > 0) _stakes[KITTY_ADDRESS]", "if (ledger.kittyPaid > type(uint128).max) _stakes[KITTY_ADDRESS]", "Lane,LaneStops"),
  fault("lane: the hub's balance is not released", "hub/BatchMoney.sol", "released += _payWorker(ledger, i);", "_payWorker(ledger, i);", "Lane"),
  fault("lane: a vote is disclosed twice", "hub/Disclosures.sol", "if (task.disclosed() >> vote.position & 1 == 1) revert VoteDisclosed(vote.position);", "", "LaneStops"),
  fault("lane: closed before its time", "hub/Disclosures.sol", "if (deadline > block.timestamp) revert ITasks.TooEarly(deadline, block.timestamp);", "", "LaneStops"),
  fault("lane: bonds are released without a claim", "hub/Disclosures.sol", "task.status() != TaskStatus.FAILED || !task.isCommitted()", "!task.isCommitted()", "LaneStops"),
  fault("lane: a bond is free before its end", "hub/Bonds.sol", "releaseTime == 0 || releaseTime > block.timestamp ||", "releaseTime == 0 ||", "Lane"),
  fault("lane: a bond that answers for votes is withdrawn", "hub/Bonds.sol", "releaseTime > block.timestamp || held.locked() > 0", "releaseTime > block.timestamp", "Lane,LaneStops"),
  fault("lane: more is locked than was bonded", "hub/Bonds.sol", "if (amount > unlocked) revert BondTooLow(worker, unlocked, amount);", "", "Lane"),
  fault("lane: a worker that leaves is committed", "hub/Bonds.sol", "if (held.releaseTime() != 0) revert BondEnding(worker, held.releaseTime());", "", "Lane"),
];

export const FAULTS = [
  ...CONSENSUS,
  ...CONTRIBUTIONS,
  ...REVEALS,
  ...ENDS,
  ...TASKS,
  ...MATCHING,
  ...SIGNATURES,
  ...BOOST,
  ...CONDITIONS,
  ...LANE,
  ...REST,
];
