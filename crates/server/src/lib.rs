//! A library that reads the configuration, builds the parts, runs and stops; and the command line.
