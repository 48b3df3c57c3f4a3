//! The interface on chain: of the hub, from its committed artifact; of what stands around it.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::too_many_arguments,
    clippy::too_many_lines,
    clippy::pub_underscore_fields,
    reason = "generated from the interface"
)]

alloy_sol_types::sol!(
    #![sol(all_derives)]
    Hub,
    "../../contracts/artifacts/HubInterface.json"
);

alloy_sol_types::sol! {
    #![sol(all_derives)]

    interface Token {
        function approve(address spender, uint256 amount) external returns (bool);
        function transfer(address to, uint256 amount) external returns (bool);
        function approveAndCall(address spender, uint256 amount, bytes data) external returns (bool);
        function balanceOf(address account) external view returns (uint256);
        function allowance(address owner, address spender) external view returns (uint256);
        error InsufficientBalance();
        error InsufficientAllowance();
    }

    interface Registry {
        event Transfer(address indexed from, address indexed to, uint256 indexed tokenId);
        function initialize(address previous) external;
        function isRegistered(address entry) external view returns (bool);
        function ownerOf(uint256 tokenId) external view returns (address);
        function transferFrom(address from, address to, uint256 tokenId) external;
        function proxyCodeHash() external view returns (bytes32);
        function createApp(
            address owner, string name, string kind, bytes multiaddr, bytes32 checksum, bytes mrenclave
        ) external returns (address);
        function predictApp(
            address owner, string name, string kind, bytes multiaddr, bytes32 checksum, bytes mrenclave
        ) external view returns (address);
        function createDataset(address owner, string name, bytes multiaddr, bytes32 checksum) external returns (address);
        function predictDataset(address owner, string name, bytes multiaddr, bytes32 checksum) external view returns (address);
        function createWorkerpool(address owner, string description) external returns (address);
        function predictWorkerpool(address owner, string description) external view returns (address);
        function approve(address to, uint256 tokenId) external;
        function setApprovalForAll(address operator, bool approved) external;
        function setBaseURI(string baseURI) external;
        function setName(address ens, string name) external;
        function transferOwnership(address newOwner) external;
        function renounceOwnership() external;
        function owner() external view returns (address);
        function previous() external view returns (address);
        function initialized() external view returns (bool);
        function name() external view returns (string);
        function symbol() external view returns (string);
        function baseURI() external view returns (string);
        function tokenURI(uint256 tokenId) external view returns (string);
        function totalSupply() external view returns (uint256);
        function balanceOf(address account) external view returns (uint256);
        function tokenByIndex(uint256 index) external view returns (uint256);
        function tokenOfOwnerByIndex(address account, uint256 index) external view returns (uint256);
        function getApproved(uint256 tokenId) external view returns (address);
        function isApprovedForAll(address account, address operator) external view returns (bool);
        function supportsInterface(bytes4 interfaceId) external view returns (bool);
        error RecordExists(bytes32 salt);
        error RecordTooLong(uint256 length, uint256 most);
        error ZeroAddress();
        error UnknownToken(uint256 tokenId);
        error NotAllowed(address caller, uint256 tokenId);
        error PolicyTooLarge(uint256 workerStakeRatio, uint256 schedulerRewardRatio);
    }

    interface Safe {
        function safeTransferFrom(address from, address to, uint256 tokenId) external;
        function safeTransferFrom(address from, address to, uint256 tokenId, bytes data) external;
    }

    interface Fields {
        function owner() external view returns (address);
        function registry() external view returns (address);
        function m_appName() external view returns (string);
        function m_appType() external view returns (string);
        function m_appMultiaddr() external view returns (bytes);
        function m_appChecksum() external view returns (bytes32);
        function m_appMREnclave() external view returns (bytes);
        function m_datasetName() external view returns (string);
        function m_datasetMultiaddr() external view returns (bytes);
        function m_datasetChecksum() external view returns (bytes32);
        function m_workerpoolDescription() external view returns (string);
        function m_workerStakeRatioPolicy() external view returns (uint256);
        function m_schedulerRewardRatioPolicy() external view returns (uint256);
    }

    interface Pool {
        event PolicyUpdate(
            uint256 oldWorkerStakeRatioPolicy, uint256 newWorkerStakeRatioPolicy,
            uint256 oldSchedulerRewardRatioPolicy, uint256 newSchedulerRewardRatioPolicy
        );
        function changePolicy(uint256 workerStakeRatio, uint256 schedulerRewardRatio) external;
        function owner() external view returns (address);
    }

    interface Entries {
        function initialize(string name, string kind, bytes multiaddr, bytes32 checksum, bytes mrenclave) external;
        function initialize(string name, bytes multiaddr, bytes32 checksum) external;
        function initialize(string description) external;
    }

    struct Cut { address facet; uint8 action; bytes4[] selectors; }
    struct DiamondArguments { address owner; address init; bytes initCalldata; }
    interface Initializer { function init() external; }
}
