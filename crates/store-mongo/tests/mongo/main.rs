//! Does what is on disk look as Parse Server writes it, and is everything read that it ever wrote?

#[cfg(test)]
mod classes;
#[cfg(test)]
mod files;
#[cfg(test)]
mod given;
#[cfg(test)]
mod reading;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod transactions;
#[cfg(test)]
mod writing;
