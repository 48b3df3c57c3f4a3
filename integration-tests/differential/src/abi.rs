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
        function createDataset(address owner, string name, bytes multiaddr, bytes32 checksum) external returns (address);
        function createWorkerpool(address owner, string description) external returns (address);
        error RecordExists(bytes32 salt);
        error RecordTooLong(uint256 length, uint256 most);
        error ZeroAddress();
        error UnknownToken(uint256 tokenId);
        error NotAllowed(address caller, uint256 tokenId);
        error PolicyTooLarge(uint256 workerStakeRatio, uint256 schedulerRewardRatio);
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
