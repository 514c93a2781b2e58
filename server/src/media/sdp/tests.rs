//! What an answer must be, on offers of real peers and on offers built for one rule each.

mod golden;
