//! Random problems with exact truths, for the study of error bars and its small version among the tests.
//!
//! The truths are computed here, by formulas that share nothing with the methods: the Riccati equation of one state by
//! Runge and Kutta, `V = -lambda log E[exp(-Phi/lambda)]` by Gauss-Legendre panels split at the kinks, closed forms.

use gauss_quad::GaussLegendre;
use onsager::comparison::quantities::numbers_of;
use onsager::numeric::estimate::Estimate;
use onsager::problem::parse_text;
use onsager::solvers::lowered::problem::Lowered;
use onsager::solvers::registry::run::solve;
use onsager::verification::vocabulary::standard;
use std::num::NonZeroUsize;
use std::path::Path;

/// Numbers in sequence from a seed: SplitMix64 (Steele, Lea and Flood, 2014).
pub struct Draws(pub u64);

impl Draws {
    pub fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Evenly between both, to four digits, so that what is typed is what is meant.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        let value = low + (high - low) * self.unit();
        (value * 1e4).round() / 1e4
    }

    /// Evenly in the logarithm.
    pub fn scale(&mut self, low: f64, high: f64) -> f64 {
        let value = (low.ln() + (high / low).ln() * self.unit()).exp();
        format!("{value:.3e}").parse().unwrap_or(value)
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[(self.unit() * all.len() as f64) as usize % all.len()]
    }
}

/// A drawn problem: its text without solvers, the methods that may be asked, and the truths by name.
pub struct Drawn {
    pub text: String,
    pub methods: &'static [&'static str],
    pub truths: Vec<(&'static str, f64)>,
}

pub type Family = fn(&mut Draws) -> Drawn;

pub const FAMILIES: &[(&str, Family)] = &[
    ("lq", linear_quadratic),
    ("end-cost", end_cost),
    ("bounds", bounds),
    ("passage", passage),
    ("moments", moments),
    ("density", density),
];

/// What a method finds at a resolution: name, truth and estimate; nothing where it refuses or gives no answer.
pub fn measured(
    drawn: &Drawn,
    method: &str,
    (resolution, seed): (usize, u64),
) -> Vec<(&'static str, f64, Estimate)> {
    let seed = format!("[run]\nseed = {seed}\n");
    let text = format!("{}{seed}{}", drawn.text, solver(method, resolution));
    let loaded = parse_text("drawn.toml", &text, Path::new("."), &[], &standard())
        .unwrap_or_else(|report| panic!("{report}\n{text}"));
    let lowered = Lowered::new(loaded.problem).unwrap_or_else(|e| panic!("{e:?}\n{text}"));
    let spec = &lowered.problem.solvers[0];
    let Ok(solution) = solve(&lowered, spec, &[], None, &mut |_| ()) else {
        return Vec::new();
    };
    let numbers = numbers_of(&lowered, &solution.answer);
    let found = drawn.truths.iter().filter_map(|(name, truth)| {
        let (_, estimate) = numbers.iter().find(|(known, _)| known == name)?;
        // An infinite error is no answer.
        estimate
            .error
            .is_finite()
            .then_some((*name, *truth, *estimate))
    });
    found.collect()
}

/// One solver table at a resolution: 0 coarse, 1 middle, 2 fine.
pub fn solver(method: &str, resolution: usize) -> String {
    let factor = 1_usize << resolution;
    let options = match method {
        "hopf-cole" | "hjb" | "fpk" => {
            let (points, steps) = (100 * factor + 1, 50 * factor);
            format!("points = {points}\nsteps = {steps}\n")
        }
        "first-passage" => format!("points = {}\n", 100 * factor + 1),
        "path-integral" => format!("paths = {}\nsteps = {}\n", 2048 * factor, 50 * factor),
        "annealed" => format!("particles = {}\n", 2048 * factor),
        "euler-maruyama" | "milstein" => {
            format!("paths = {}\nsteps = {}\n", 2048 * factor, 50 * factor)
        }
        _ => String::new(),
    };
    format!("[[solver]]\nid = \"s\"\nmethod = \"{method}\"\n{options}")
}

fn control(dynamics: &str, cost: &str, start: f64) -> String {
    format!(
        "format = 1\n[problem]\nname = \"drawn\"\nkind = \"control\"\n[dynamics]\nstate = \"x\"\ncontrol = \"u\"\n{dynamics}\
         [initial]\nfamily = \"delta\"\nat = [{start}]\n[cost]\n{cost}"
    )
}

/// One state, quadratic costs, a target up to six away; half of them with a temperature between 1e-2 and 10.
fn linear_quadratic(draws: &mut Draws) -> Drawn {
    let (a, b, r) = (
        draws.between(-1.0, 0.6),
        draws.between(0.3, 2.0),
        draws.scale(0.1, 10.0),
    );
    let (q, m, c) = (
        draws.scale(0.05, 5.0),
        draws.scale(0.1, 10.0),
        draws.between(-6.0, 6.0),
    );
    let (lambda, horizon, x) = (
        draws.scale(1e-2, 10.0),
        draws.scale(0.01, 20.0),
        draws.between(-2.0, 2.0),
    );
    let noise = b * (lambda / r).sqrt();
    let text = control(
        &format!(
            "drift = \"{a}*x + {b}*u\"\ndiffusion = \"{b}*sqrt({lambda}/{r})\"\nhorizon = [0.0, {horizon}]\n"
        ),
        &format!("running = \"{q}*x^2/2 + {r}*u^2/2\"\nterminal = \"{m}*(x - ({c}))^2/2\"\n"),
        x,
    );
    // V = P x^2/2 + p x + s.
    let slope = |[p2, p1, _]: [f64; 3]| {
        let gain = b * b / r;
        [
            2.0 * a * p2 + q - gain * p2 * p2,
            a * p1 - gain * p2 * p1,
            0.5 * noise * noise * p2 - 0.5 * gain * p1 * p1,
        ]
    };
    let [p2, p1, p0] = backwards(slope, [m, -m * c, 0.5 * m * c * c], horizon);
    let truths = vec![
        ("value", 0.5 * p2 * x * x + p1 * x + p0),
        ("control", -b / r * (p2 * x + p1)),
    ];
    Drawn {
        text,
        methods: &["riccati", "hopf-cole", "hjb", "path-integral"],
        truths,
    }
}

/// The classical method with steps that resolve the fastest rate here.
fn backwards(slope: impl Fn([f64; 3]) -> [f64; 3], end: [f64; 3], horizon: f64) -> [f64; 3] {
    let steps = 40_000;
    let h = horizon / f64::from(steps);
    let moved = |y: [f64; 3], k: [f64; 3], by: f64| std::array::from_fn(|i| y[i] + by * k[i]);
    let mut y = end;
    for _ in 0..steps {
        let k1 = slope(y);
        let k2 = slope(moved(y, k1, 0.5 * h));
        let k3 = slope(moved(y, k2, 0.5 * h));
        let k4 = slope(moved(y, k3, h));
        y = std::array::from_fn(|i| y[i] + h / 6.0 * (k1[i] + 2.0 * (k2[i] + k3[i]) + k4[i]));
    }
    y
}

/// A Brownian motion pushed to a low end cost: smooth wells, kinks, a jump; far from the start or not.
fn end_cost(draws: &mut Draws) -> Drawn {
    let (lambda, horizon) = (draws.scale(1e-2, 10.0), draws.scale(0.01, 20.0));
    let (x, c, k) = (
        draws.between(-1.0, 1.0),
        draws.between(-4.0, 4.0),
        draws.scale(0.2, 8.0),
    );
    let square = move |y: f64| 0.5 * k * (y - c) * (y - c);
    type Cost = Box<dyn Fn(f64) -> f64>;
    let (end, cost, marks): (String, Cost, Vec<f64>) = match draws.one_of(&[0, 1, 2, 3, 4]) {
        0 => (format!("{k}*(x - ({c}))^2/2"), Box::new(square), vec![c]),
        1 => (
            format!("{k}*abs(x - ({c}))"),
            Box::new(move |y| k * (y - c).abs()),
            vec![c],
        ),
        2 => {
            let wells = move |y: f64| k * ((y - 1.0) * (y - 1.0)).min((y + 1.0) * (y + 1.0));
            (
                format!("{k}*min((x - 1)^2, (x + 1)^2)"),
                Box::new(wells),
                vec![-1.0, 0.0, 1.0],
            )
        }
        3 => {
            let wells = move |y: f64| k * (y * y - 1.0) * (y * y - 1.0) / 4.0;
            (
                format!("{k}*(x^2 - 1)^2/4"),
                Box::new(wells),
                vec![-1.0, 1.0],
            )
        }
        _ => (
            format!("{k}*if(x > {c}, 0, 1)"),
            Box::new(move |y| if y > c { 0.0 } else { k }),
            vec![c],
        ),
    };
    let text = control(
        &format!("drift = \"u\"\ndiffusion = \"sqrt({lambda})\"\nhorizon = [0.0, {horizon}]\n"),
        &format!("running = \"0.5*u^2\"\nterminal = \"{end}\"\n"),
        x,
    );
    let spread = (lambda * horizon).sqrt();
    let log_weight = |y: f64| -(y - x) * (y - x) / (2.0 * spread * spread) - cost(y) / lambda;
    let (mass, first) = integrals(&log_weight, x, spread, &marks);
    let value = -lambda * (mass - (std::f64::consts::TAU.sqrt() * spread).ln());
    // u = -V' = lambda (E[y] - x)/spread^2 under the weights.
    let truths = vec![
        ("value", value),
        ("control", lambda * (first - x) / (spread * spread)),
    ];
    Drawn {
        text,
        methods: &["hopf-cole", "hjb", "path-integral"],
        truths,
    }
}

/// `log int exp(w)` and the mean of `y` under it, on panels split at the marks.
fn integrals(log_weight: &dyn Fn(f64) -> f64, x: f64, spread: f64, marks: &[f64]) -> (f64, f64) {
    let all = || marks.iter().copied().chain([x]);
    let low = all().fold(f64::INFINITY, f64::min) - 12.0 * spread;
    let high = all().fold(f64::NEG_INFINITY, f64::max) + 12.0 * spread;
    let mut edges: Vec<f64> = (0..=4000)
        .map(|i| low + (high - low) * f64::from(i) / 4000.0)
        .collect();
    edges.extend(marks);
    edges.sort_by(f64::total_cmp);
    let rule = GaussLegendre::new(const { NonZeroUsize::new(8).unwrap() });
    let middle = |w: &[f64]| log_weight(0.5 * (w[0] + w[1]));
    let top = edges
        .windows(2)
        .map(middle)
        .fold(f64::NEG_INFINITY, f64::max);
    let integral = |f: &dyn Fn(f64) -> f64| -> f64 {
        edges
            .windows(2)
            .map(|w| rule.integrate(w[0], w[1], |y| f(y) * (log_weight(y) - top).exp()))
            .sum()
    };
    let mass = integral(&|_| 1.0);
    (top + mass.ln(), integral(&|y| y) / mass)
}

/// A push with bounds towards one side, which is the same at all times and places.
fn bounds(draws: &mut Draws) -> Drawn {
    let (k, bound, noise) = (
        draws.between(-3.0, 3.0),
        draws.between(0.3, 2.0),
        draws.scale(0.1, 2.0),
    );
    let (horizon, x) = (draws.scale(0.05, 5.0), draws.between(-2.0, 2.0));
    let text = control(
        &format!(
            "drift = \"u\"\ndiffusion = \"{noise}\"\nhorizon = [0.0, {horizon}]\ncontrol_bounds = [-{bound}, {bound}]\n"
        ),
        &format!("running = \"0.5*u^2\"\nterminal = \"{k}*x\"\n"),
        x,
    );
    let push = (-k).clamp(-bound, bound);
    let truths = vec![
        ("value", k * x + horizon * (0.5 * push * push + k * push)),
        ("control", push),
    ];
    Drawn {
        text,
        methods: &["hjb"],
        truths,
    }
}

fn simulate(body: &str) -> String {
    format!(
        "format = 1\n[problem]\nname = \"drawn\"\nkind = \"simulate\"\n[dynamics]\nstate = \"x\"\n{body}"
    )
}

/// The mean time in which a Brownian motion with drift leaves an interval.
fn passage(draws: &mut Draws) -> Drawn {
    let (drift, noise, high) = (
        draws.between(-2.0, 2.0),
        draws.scale(0.2, 2.0),
        draws.between(0.5, 2.0),
    );
    let share = draws.between(0.1, 0.9);
    let x = (share * high * 1e4).round() / 1e4;
    // No path is still inside at the end: it would be missing in the mean of the walks.
    let horizon = (30.0 * high * high / (noise * noise)).ceil();
    let text = simulate(&format!(
        "drift = \"{drift}\"\ndiffusion = \"{noise}\"\nhorizon = [0.0, {horizon}]\n[initial]\nfamily = \"delta\"\nat = [{x}]\n\
         [[event]]\nname = \"out\"\nwhen = \"x >= {high} or x <= 0\"\nstop = true\n"
    ));
    let rate = 2.0 * drift / (noise * noise);
    let upper = (-rate * x).exp_m1() / (-rate * high).exp_m1();
    let truths = vec![("passage_time", (high * upper - x) / drift)];
    Drawn {
        text,
        methods: &["first-passage"],
        truths,
    }
}

/// Linear drift, noise that is constant or linear.
fn moments(draws: &mut Draws) -> Drawn {
    let (a, x) = (draws.between(-2.0, 0.5), draws.between(0.2, 2.0));
    let (noise, horizon) = (draws.scale(0.1, 0.6), draws.scale(0.05, 3.0));
    let geometric = draws.unit() < 0.5;
    let shape = if geometric { "*x" } else { "" };
    let text = simulate(&format!(
        "drift = \"{a}*x\"\ndiffusion = \"{noise}{shape}\"\nhorizon = [0.0, {horizon}]\n[initial]\nfamily = \"delta\"\nat = [{x}]\n"
    ));
    let mean = x * (a * horizon).exp();
    let square = if geometric {
        x * x * ((2.0 * a + noise * noise) * horizon).exp()
    } else {
        mean * mean + noise * noise * (2.0 * a * horizon).exp_m1() / (2.0 * a)
    };
    let truths = vec![("mean_end", mean), ("mean_square_end", square)];
    Drawn {
        text,
        methods: &["moments", "euler-maruyama", "milstein"],
        truths,
    }
}

/// Unnormalised Gaussians and wells, narrow or wide, near or far.
fn density(draws: &mut Draws) -> Drawn {
    let (c, s) = (draws.between(-8.0, 8.0), draws.scale(0.02, 2.0));
    let k = draws.scale(0.3, 4.0);
    let wells = draws.unit() < 0.5;
    let log_weight: Box<dyn Fn(f64) -> f64> = match wells {
        true => Box::new(move |y| -k * (y * y - 1.0) * (y * y - 1.0) - 0.3 * y),
        false => Box::new(move |y| -(y - c) * (y - c) / (2.0 * s * s) - (y - c).abs()),
    };
    let shown = match wells {
        true => format!("-{k}*(x^2 - 1)^2 - 0.3*x"),
        false => format!("-(x - ({c}))^2/(2*{s}^2) - abs(x - ({c}))"),
    };
    let text = format!(
        "format = 1\n[problem]\nname = \"drawn\"\nkind = \"sample\"\n[target]\nfamily = \"log-density\"\nlog_density = \"{shown}\"\n\
         [dynamics]\nstate = \"x\"\npreset = \"vp\"\nbeta = [0.1, 10.0]\n"
    );
    let (centre, spread) = if wells { (0.0, 0.5) } else { (c, s) };
    let (log_z, _) = integrals(&*log_weight, centre, spread, &[centre]);
    Drawn {
        text,
        methods: &["annealed", "path-integral"],
        truths: vec![("log_z", log_z)],
    }
}
