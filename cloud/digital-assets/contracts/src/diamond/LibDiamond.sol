// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.28;

import {IDiamond} from "./IDiamond.sol";

/// Which facet answers which selector, who owns the diamond, and the one way in which that changes.
library LibDiamond {
    error NotOwner(address caller);
    error NoCodeAt(address facet);
    error SelectorExists(bytes4 selector);
    error SelectorMissing(bytes4 selector);
    error SelectorUnchanged(bytes4 selector);
    error InitFailed();

    event OwnershipTransferred(address indexed previousOwner, address indexed newOwner);

    struct Route {
        address facet;
        // Where the selector stands in the list of all.
        uint96 index;
    }

    struct Layout {
        mapping(bytes4 => Route) routes;
        bytes4[] selectors;
        mapping(bytes4 => bool) interfaces;
        address owner;
    }

    bytes32 private constant SLOT = keccak256("parsimony.diamond");

    function layout() internal pure returns (Layout storage at) {
        bytes32 slot = SLOT;
        assembly {
            at.slot := slot
        }
    }

    function requireOwner() internal view {
        if (msg.sender != layout().owner) revert NotOwner(msg.sender);
    }

    function setOwner(address next) internal {
        Layout storage at = layout();
        emit OwnershipTransferred(at.owner, next);
        at.owner = next;
    }

    function cut(IDiamond.FacetCut[] memory cuts, address init, bytes memory data) internal {
        for (uint256 i = 0; i < cuts.length; i++) {
            IDiamond.FacetCut memory one = cuts[i];
            for (uint256 j = 0; j < one.functionSelectors.length; j++) {
                bytes4 selector = one.functionSelectors[j];
                if (one.action == IDiamond.FacetCutAction.Add) add(one.facetAddress, selector);
                else if (one.action == IDiamond.FacetCutAction.Replace) replace(one.facetAddress, selector);
                else remove(selector);
            }
        }
        emit IDiamond.DiamondCut(cuts, init, data);
        if (init == address(0)) return;
        requireCode(init);
        (bool done, bytes memory reason) = init.delegatecall(data);
        if (done) return;
        if (reason.length == 0) revert InitFailed();
        assembly {
            revert(add(reason, 0x20), mload(reason))
        }
    }

    function add(address facet, bytes4 selector) private {
        Layout storage at = layout();
        requireCode(facet);
        if (at.routes[selector].facet != address(0)) revert SelectorExists(selector);
        at.routes[selector] = Route(facet, uint96(at.selectors.length));
        at.selectors.push(selector);
    }

    function replace(address facet, bytes4 selector) private {
        Route storage route = layout().routes[selector];
        requireCode(facet);
        if (route.facet == address(0)) revert SelectorMissing(selector);
        if (route.facet == facet) revert SelectorUnchanged(selector);
        route.facet = facet;
    }

    function remove(bytes4 selector) private {
        Layout storage at = layout();
        Route memory route = at.routes[selector];
        if (route.facet == address(0)) revert SelectorMissing(selector);
        bytes4 last = at.selectors[at.selectors.length - 1];
        at.selectors[route.index] = last;
        at.routes[last].index = route.index;
        at.selectors.pop();
        delete at.routes[selector];
    }

    function requireCode(address at) private view {
        if (at.code.length == 0) revert NoCodeAt(at);
    }
}
