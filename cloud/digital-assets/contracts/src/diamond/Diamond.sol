// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.28;

import {IDiamond} from "./IDiamond.sol";
import {LibDiamond} from "./LibDiamond.sol";

/// One asset: an address with state, whose functions are those of its facets (ERC-2535).
///
/// It is made without facets, so that its address depends on who makes it and on a salt alone; `begin` is called by its maker
/// in the same transaction, once.
contract Diamond {
    error UnknownFunction(bytes4 selector);
    error BegunAlready();

    address private immutable maker;

    constructor() {
        maker = msg.sender;
    }

    function begin(IDiamond.FacetCut[] calldata cuts, address owner, address init, bytes calldata data) external {
        if (msg.sender != maker || LibDiamond.layout().owner != address(0)) revert BegunAlready();
        LibDiamond.setOwner(owner);
        LibDiamond.cut(cuts, init, data);
    }

    fallback() external {
        address facet = LibDiamond.layout().routes[msg.sig].facet;
        if (facet == address(0)) revert UnknownFunction(msg.sig);
        assembly {
            calldatacopy(0, 0, calldatasize())
            let done := delegatecall(gas(), facet, 0, calldatasize(), 0, 0)
            returndatacopy(0, 0, returndatasize())
            switch done
            case 0 { revert(0, returndatasize()) }
            default { return(0, returndatasize()) }
        }
    }
}
