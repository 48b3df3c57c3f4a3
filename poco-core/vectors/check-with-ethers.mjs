// Computes every hash and signature of the vectors again with ethers 6 and fails on a difference.
//
// ethers is no dependency of this repository:
//   mkdir /tmp/check && cd /tmp/check && npm install ethers@6
//   NODE_PATH=/tmp/check/node_modules node poco-core/vectors/check-with-ethers.mjs
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const require = createRequire(import.meta.url);
const { TypedDataEncoder, recoverAddress, hashMessage, getBytes, getAddress, solidityPackedKeccak256, Signature } =
  require("ethers");

const read = (name) => JSON.parse(readFileSync(new URL(name, import.meta.url), "utf8"));
let checked = 0;

function check(what, computed, expected) {
  checked += 1;
  if (computed.toLowerCase() === expected.toLowerCase()) return;
  console.error(`${what}: ethers says ${computed}, the vector ${expected}`);
  process.exitCode = 1;
}

const members = (text) => text.split(",").map((member) => {
  const [type, name] = member.split(" ");
  return { type, name };
});
const TYPES = {
  AppOrder: members("address app,uint256 appprice,uint256 volume,bytes32 tag,address datasetrestrict,address workerpoolrestrict,address requesterrestrict,bytes32 salt"),
  DatasetOrder: members("address dataset,uint256 datasetprice,uint256 volume,bytes32 tag,address apprestrict,address workerpoolrestrict,address requesterrestrict,bytes32 salt"),
  WorkerpoolOrder: members("address workerpool,uint256 workerpoolprice,uint256 volume,bytes32 tag,uint256 category,uint256 trust,address apprestrict,address datasetrestrict,address requesterrestrict,bytes32 salt"),
  RequestOrder: members("address app,uint256 appmaxprice,address dataset,uint256 datasetmaxprice,address workerpool,uint256 workerpoolmaxprice,address requester,uint256 volume,bytes32 tag,uint256 category,uint256 trust,address beneficiary,address callback,string params,bytes32 salt"),
};

const orders = read("orders.json");
const domain = {
  name: orders.domainName,
  version: orders.domainVersion,
  chainId: BigInt(orders.chainId),
  verifyingContract: orders.hub,
};
check("domain separator", TypedDataEncoder.hashDomain(domain), orders.domainSeparator);
for (const [list, name] of [["appOrders", "AppOrder"], ["datasetOrders", "DatasetOrder"], ["workerpoolOrders", "WorkerpoolOrder"], ["requestOrders", "RequestOrder"]]) {
  const types = { [name]: TYPES[name] };
  orders[list].forEach((vector, position) => {
    const at = `${list}[${position}]`;
    const order = Object.fromEntries(TYPES[name].map((member) => [member.name, vector[member.name]]));
    check(`${at} struct`, TypedDataEncoder.hashStruct(name, types, order), vector.structHash);
    check(`${at} order`, TypedDataEncoder.hash(domain, types, order), vector.orderHash);
    const operation = { ...types, [`${name}Operation`]: members(`${name} order,uint256 operation`) };
    check(`${at} sign`, TypedDataEncoder.hash(domain, operation, { order, operation: 0n }), vector.signHash);
    check(`${at} close`, TypedDataEncoder.hash(domain, operation, { order, operation: 1n }), vector.closeHash);
  });
}

const messages = read("messages.json");
const signed = (hash) => hashMessage(getBytes(hash));
for (const v of messages.deals)
  check("deal", solidityPackedKeccak256(["bytes32", "uint256"], [v.requestHash, BigInt(v.consumed)]), v.dealId);
for (const v of messages.tasks)
  check("task", solidityPackedKeccak256(["bytes32", "uint256"], [v.dealId, BigInt(v.index)]), v.taskId);
for (const v of messages.results) {
  check("hash", solidityPackedKeccak256(["bytes32", "bytes32"], [v.taskId, v.digest]), v.resultHash);
  check("seal", solidityPackedKeccak256(["address", "bytes32", "bytes32"], [v.worker, v.taskId, v.digest]), v.resultSeal);
  check("enclave", signed(solidityPackedKeccak256(["bytes32", "bytes32"], [v.resultHash, v.resultSeal])), v.enclaveHash);
}
for (const v of messages.authorizations)
  check("authorization", signed(solidityPackedKeccak256(["address", "bytes32", "address"], [v.worker, v.taskId, v.enclaveChallenge])), v.hash);
for (const v of messages.logins) {
  const pool = { name: "PoCo Pool", version: "1", chainId: BigInt(v.chainId), verifyingContract: v.workerpool };
  check("login", TypedDataEncoder.hash(pool, { Login: members("address worker,bytes32 nonce") }, { worker: v.worker, nonce: v.nonce }), v.hash);
}
for (const v of messages.signatures.filter((vector) => vector.isValid))
  check("signature", recoverAddress(v.hash, Signature.from(v.signature)), getAddress(v.signer));

console.log(`${checked} values compared`);
