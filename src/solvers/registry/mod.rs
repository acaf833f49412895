//! Which methods there are, what each is for, and which are chosen when a file leaves it open.

pub mod choice;
pub mod methods;
pub mod reserved;
pub mod run;
