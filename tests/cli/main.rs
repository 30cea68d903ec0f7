//! End-to-end tests of the program `rekindle`: each runs the binary in a fresh directory.
//!
//! Training happens on `REKINDLE_TEST_DEVICE`, by default `cpu`.

mod averages;
mod bad_images;
mod bad_models;
mod bad_settings;
mod bench;
mod cache;
mod channels;
mod check;
mod combine;
mod compare;
mod determinism;
mod explain;
mod export;
mod feature_cache;
mod figures;
mod flags;
mod full_disk;
mod interrupt;
mod killed;
mod labels;
mod latest;
mod lists;
mod mix;
mod output;
mod parameters;
mod plots;
mod precision;
mod predict;
mod preview;
mod ranges;
mod records;
mod report;
mod rescale;
mod runs;
mod scale;
mod sequence;
mod serve;
mod sources;
mod support;
mod targets;
mod trained_on;
mod whole_run;
