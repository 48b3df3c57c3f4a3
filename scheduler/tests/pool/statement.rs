//! What workers are told they earned, against what they have.

use crate::chain::{Chainside, eventually};
use crate::scheduler::Process;
use crate::worker::{Output, Worker};
use poco_core::{Address, TaskId, U256};
use poco_proto::v1::observer_client::ObserverClient;
use poco_proto::v1::{GetTaskRequest, Statement};
use std::collections::BTreeMap;
use std::sync::Arc;
use tonic::{Code, Status};

async fn ask(process: &Process, task: TaskId) -> Result<Statement, Status> {
    let mut client = ObserverClient::connect(process.url()).await.unwrap();
    let request = GetTaskRequest { task: task.0.to_vec() };
    client.get_statement(request).await.map(tonic::Response::into_inner)
}

fn amount(bytes: &[u8]) -> U256 {
    U256::try_from_be_slice(bytes).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_says_what_each_worker_earned_to_the_unit_and_why() {
    let chain = Chainside::start().await;
    let process = Process::start(&chain, &[]).await;
    let unknown = ask(&process, TaskId::default()).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    let deal = chain.order(3, 1, Address::ZERO).await;
    let id = TaskId::of_deal(deal, U256::ZERO);
    eventually("the task is known", async || process.task(id).await).await;
    assert_eq!(ask(&process, id).await.unwrap_err().code(), Code::FailedPrecondition);

    let output = Arc::new(Output::make("a result"));
    let mut before = BTreeMap::new();
    for _ in 0..2 {
        let worker = Worker::spawn(&chain, process.url(), output.clone()).await;
        before.insert(worker, chain.chain.account(worker).await.unwrap());
    }
    let told = eventually("there is a statement", async || ask(&process, id).await.ok()).await;
    assert!(told.is_completed);
    assert_eq!((told.task, told.deal), (id.0.to_vec(), deal.0.to_vec()));
    assert_eq!(told.workerpool, chain.workerpool.to_vec());
    // The pool's price is 100, of which it keeps 1 % and what rounding leaves.
    assert_eq!((amount(&told.price), told.fee_percent), (U256::from(100), 1));
    assert_eq!((amount(&told.fee), amount(&told.forfeited)), (U256::from(2), U256::ZERO));
    assert_eq!((told.log_weights, told.workers.len()), (2, 2));
    for line in &told.workers {
        let worker = Address::from_slice(&line.worker);
        let (had, has) = (before[&worker], chain.chain.account(worker).await.unwrap());
        assert_eq!(has.free.0, had.free.0 + amount(&line.reward), "{worker}");
        assert_eq!((amount(&line.reward), line.verdict.as_str()), (U256::from(49), "proved"));
        assert_eq!((amount(&line.stake), amount(&line.lost)), (U256::from(30), U256::ZERO));
    }
}
