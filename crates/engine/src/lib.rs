//! Everything Parse does, behind one Engine that every door asks.
