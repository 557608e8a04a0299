//! Test zones: keys and signatures made on the spot.
