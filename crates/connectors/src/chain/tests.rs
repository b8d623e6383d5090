//! Does a chain answer while one of its endpoints does not, and is no other chain believed? With endpoints in memory; the
//! scenarios ask a real chain.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use parsimony_cloud::{HttpClient, HttpFailure, HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::{B256, Chain, ChainError, ChainOptions, EvmChain, Inclusion, LogQuery};

/// What a host does when it is asked.
#[derive(Clone)]
enum Manner {
    /// It answers these methods; others are unknown to it.
    Answers(HashMap<&'static str, Value>),
    /// It answers everything with this body.
    Says(u16, &'static str),
    /// Nobody is there.
    Gone,
}

#[derive(Default)]
struct Net {
    hosts: Mutex<HashMap<String, Manner>>,
    asked: Mutex<Vec<(String, String, Value)>>,
}

impl Net {
    fn set(&self, host: &str, manner: Manner) {
        self.hosts.lock().insert(host.to_owned(), manner);
    }

    fn asked(&self, host: &str) -> usize {
        self.asked.lock().iter().filter(|(asked, ..)| asked == host).count()
    }
}

struct Shared(Arc<Net>);

impl HttpClient for Shared {
    fn send(&self, request: HttpRequest) -> BoxFuture<'static, Result<HttpResponse, HttpFailure>> {
        let host = request.url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let method = body["method"].as_str().unwrap().to_owned();
        let manner = self.0.hosts.lock().get(&host).cloned();
        self.0.asked.lock().push((host, method.clone(), body["params"].clone()));
        let answer = |status, body: String| Ok(HttpResponse { status, headers: Vec::new(), body: body.into_bytes() });
        let answered = match manner {
            None | Some(Manner::Gone) => Err(HttpFailure::Unreached("connection refused".to_owned())),
            Some(Manner::Says(status, text)) => answer(status, text.to_owned()),
            Some(Manner::Answers(methods)) => match methods.get(method.as_str()) {
                Some(fault) if fault.get("code").is_some() => answer(200, json!({ "error": fault }).to_string()),
                Some(value) => answer(200, json!({ "result": value }).to_string()),
                None => answer(200, json!({ "error": { "code": -32601, "message": "no such method" } }).to_string()),
            },
        };
        Box::pin(std::future::ready(answered))
    }
}

fn well(more: &[(&'static str, Value)]) -> Manner {
    let mut methods = HashMap::from([
        ("eth_chainId", json!("0x7a69")),
        (
            "eth_getBlockByNumber",
            json!({ "number": "0x10", "hash": hash(16), "timestamp": "0x5", "baseFeePerGas": "0x7" }),
        ),
    ]);
    methods.extend(more.iter().cloned());
    Manner::Answers(methods)
}

fn hash(number: u8) -> B256 {
    B256::with_last_byte(number)
}

fn chain(net: &Arc<Net>, hosts: &[&str]) -> EvmChain {
    let options = ChainOptions {
        id: 31_337,
        endpoints: hosts.iter().map(|host| format!("http://{host}/")).collect(),
        confirmations: 2,
        max_fee: 100,
        time_max: Duration::from_secs(1),
    };
    EvmChain::new(&options, Arc::new(Shared(Arc::clone(net)))).unwrap()
}

#[tokio::test]
async fn another_endpoint_answers_for_one_that_does_not() {
    for manner in [
        Manner::Gone,
        Manner::Says(503, "<html>busy</html>"),
        Manner::Says(500, r#"{"result":"0x1"}"#),
        Manner::Says(200, "not JSON"),
        Manner::Says(200, r#"{"error":{"code":-32005,"message":"daily request count exceeded"}}"#),
        Manner::Says(200, r#"{"error":{"code":-32000,"message":"Rate limit exceeded"}}"#),
    ] {
        let net = Arc::new(Net::default());
        net.set("one", manner);
        net.set("two", well(&[]));
        let chain = chain(&net, &["one", "two"]);
        let head = chain.head().await.unwrap();
        assert_eq!((head.number, head.hash, head.base_fee), (16, hash(16), Some(7)));
        let health = chain.health();
        assert_eq!((health[0].failures, health[1].failures), (1, 0));
        assert!(health[0].last_failure.is_some());
    }
}

#[tokio::test]
async fn a_refusal_is_the_chains_word_and_no_other_endpoint_is_asked() {
    let net = Arc::new(Net::default());
    let fault = json!({ "code": 3, "message": "execution reverted", "data": "0x1234" });
    net.set("one", well(&[("eth_estimateGas", fault)]));
    net.set("two", well(&[("eth_estimateGas", json!("0x1"))]));
    let chain = chain(&net, &["one", "two"]);
    let error = chain.estimate(<_>::default(), None, <_>::default()).await.unwrap_err();
    let ChainError::Refused { code: 3, revert: Some(data), .. } = &error else { panic!("{error:?}") };
    assert_eq!(data.to_string(), "0x1234");
    assert_eq!(net.asked("two"), 0);
    assert!(chain.health()[0].available);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_fails_rests_and_one_of_another_chain_is_never_believed() {
    let net = Arc::new(Net::default());
    net.set("gone", Manner::Gone);
    net.set("other", Manner::Answers(HashMap::from([("eth_chainId", json!("0x1")), ("eth_gasPrice", json!("0x1"))])));
    net.set("good", well(&[]));
    let all = chain(&net, &["gone", "other", "good"]);
    for _ in 0..10 {
        all.head().await.unwrap();
    }
    assert_eq!(net.asked("gone"), 3, "after three failures it is left alone");
    assert_eq!(net.asked("other"), 1, "it is asked once which chain it belongs to");
    let health = all.health();
    let available: Vec<bool> = health.iter().map(|endpoint| endpoint.available).collect();
    assert_eq!(available, [false, false, true]);
    assert_eq!(health[1].last_failure.as_deref(), Some("it belongs to chain 1"));

    let none = chain(&net, &["gone", "other"]).head().await.unwrap_err();
    let ChainError::Unavailable(reason) = &none else { panic!("{none:?}") };
    assert!(reason.contains("gone: ") && reason.contains("it belongs to chain 1"), "{reason}");
}

#[tokio::test]
async fn a_receipt_of_a_block_that_is_gone_counts_as_none() {
    let receipt = |block: u8| {
        json!({
            "transactionHash": hash(1), "blockNumber": "0x10", "blockHash": hash(block), "status": "0x1",
            "gasUsed": "0x5208", "contractAddress": null, "logs": [],
        })
    };
    for (block, expected) in [(16, "included"), (17, "waiting")] {
        let net = Arc::new(Net::default());
        net.set("one", well(&[("eth_getTransactionReceipt", receipt(block)), ("eth_getTransactionByHash", json!({}))]));
        let seen = match chain(&net, &["one"]).inclusion(hash(1)).await.unwrap() {
            Inclusion::Included { receipt, confirmations } => {
                assert_eq!((receipt.succeeded, confirmations), (true, 1));
                "included"
            }
            Inclusion::Waiting => "waiting",
            Inclusion::Unknown => "unknown",
        };
        assert_eq!(seen, expected);
    }
    let net = Arc::new(Net::default());
    net.set("one", well(&[("eth_getTransactionReceipt", Value::Null), ("eth_getTransactionByHash", Value::Null)]));
    assert_eq!(chain(&net, &["one"]).inclusion(hash(1)).await.unwrap(), Inclusion::Unknown);
}

#[tokio::test]
async fn a_fee_has_a_bound_and_what_is_known_already_is_no_error() {
    let net = Arc::new(Net::default());
    let known = json!({ "code": -32000, "message": "already known" });
    net.set("one", well(&[("eth_maxPriorityFeePerGas", json!("0x3")), ("eth_sendRawTransaction", known)]));
    let chain = chain(&net, &["one"]);
    let fees = chain.fees().await.unwrap();
    assert_eq!((fees.max_fee, fees.priority_fee), (17, 3));
    chain.send(<_>::default()).await.unwrap();

    net.set("one", well(&[("eth_maxPriorityFeePerGas", json!("0x64"))]));
    assert_eq!(chain.fees().await.unwrap_err(), ChainError::TooExpensive { wanted: 107, max: 100 });
}

#[tokio::test]
async fn many_blocks_of_logs_are_asked_for_in_pieces_and_taken_back_ones_left_out() {
    let log = |removed: bool| {
        json!({
            "address": "0x0000000000000000000000000000000000000001", "topics": [hash(2)], "data": "0x",
            "blockNumber": "0x1", "blockHash": hash(3), "transactionHash": hash(4), "logIndex": "0x0", "removed": removed,
        })
    };
    let net = Arc::new(Net::default());
    net.set("one", well(&[("eth_getLogs", json!([log(false), log(true)]))]));
    let query = LogQuery { from_block: 1, to_block: 4_500, addresses: Vec::new(), events: vec![hash(2)] };
    assert_eq!(chain(&net, &["one"]).logs(query).await.unwrap().len(), 3);
    let asked: Vec<Value> = net
        .asked
        .lock()
        .iter()
        .filter(|(_, method, _)| method == "eth_getLogs")
        .map(|(.., params)| params[0].clone())
        .collect();
    let ranges: Vec<_> = asked.iter().map(|filter| (filter["fromBlock"].clone(), filter["toBlock"].clone())).collect();
    let expected = [("0x1", "0x7d0"), ("0x7d1", "0xfa0"), ("0xfa1", "0x1194")];
    assert_eq!(ranges, expected.map(|(from, to)| (json!(from), json!(to))));
    assert_eq!(asked[0]["topics"], json!([[hash(2)]]));
}

#[test]
fn what_cannot_be_a_chain_is_told() {
    let refused = |change: fn(&mut ChainOptions)| {
        let mut options = ChainOptions {
            id: 1,
            endpoints: vec!["https://node.example/v2/secret".to_owned()],
            confirmations: 1,
            max_fee: 1,
            time_max: Duration::from_secs(1),
        };
        change(&mut options);
        EvmChain::new(&options, Arc::new(Shared(Arc::default()))).err()
    };
    assert_eq!(refused(|_options| {}), None);
    assert!(refused(|options| options.endpoints.clear()).unwrap().contains("no endpoints"));
    assert!(refused(|options| options.confirmations = 0).unwrap().contains("confirmation"));
    for url in ["ftp://x", "nonsense"] {
        assert!(refused(|options| options.endpoints = vec!["x".to_owned()]).is_some(), "{url}");
    }
}
