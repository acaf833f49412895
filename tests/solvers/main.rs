//! Solvers and the checks that judge them, against reference numbers and against planted defects.

mod dense_control;
mod grid_methods;
mod grid_schemes;
mod planted_defects;
mod posed_cases;
mod reference_control;
mod reference_section01;
mod reference_section03;
mod reference_section05;
mod reverse_as_control;
mod reverse_losses;
mod score_and_action;
