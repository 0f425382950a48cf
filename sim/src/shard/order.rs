//! Many runs at the same time, handed on in the order of their numbers.

use std::collections::BTreeMap;
use std::sync::Mutex;

/// What is known of all runs so far.
struct State<R, E, N, T> {
    numbers: N,
    take: T,
    /// How many were begun and how many handed on.
    begun: u64,
    taken: u64,
    /// What is done before an earlier one, by its place.
    early: BTreeMap<u64, R>,
    /// The first in order that failed.
    failed: Option<(u64, E)>,
}

/// Makes the runs `numbers` on all threads of the current pool, and hands each to `take` in that order. Only what is done
/// before an earlier one is kept meanwhile.
///
/// # Errors
/// Those of the first run in order that fails, or of `take`; no further run is begun then.
pub fn in_order<R: Send, E: Send>(
    numbers: impl Iterator<Item = u64> + Send,
    make: impl Fn(u64) -> Result<R, E> + Sync,
    take: impl FnMut(R) -> Result<(), E> + Send,
) -> Result<(), E> {
    let early = BTreeMap::new();
    let state = Mutex::new(State { numbers, take, begun: 0, taken: 0, early, failed: None });
    let locked = || state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    rayon::broadcast(|_| {
        loop {
            let (place, number) = {
                let mut state = locked();
                let next = if state.failed.is_none() { state.numbers.next() } else { None };
                let Some(number) = next else { return };
                state.begun += 1;
                (state.begun - 1, number)
            };
            let made = make(number);
            let mut state = locked();
            match made {
                Ok(run) => hand_on(&mut state, place, run),
                Err(error) => fail(&mut state, place, error),
            }
        }
    });
    let state = state.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    state.failed.map_or(Ok(()), |(_, error)| Err(error))
}

fn hand_on<R, E, N, T: FnMut(R) -> Result<(), E>>(state: &mut State<R, E, N, T>, place: u64, run: R) {
    state.early.insert(place, run);
    while let Some(run) = state.early.remove(&state.taken) {
        if let Err(error) = (state.take)(run) {
            let place = state.taken;
            return fail(state, place, error);
        }
        state.taken += 1;
    }
}

fn fail<R, E, N, T>(state: &mut State<R, E, N, T>, place: u64, error: E) {
    if state.failed.as_ref().is_none_or(|(first, _)| place < *first) {
        state.failed = Some((place, error));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn on_four_threads(
        make: impl Fn(u64) -> Result<u64, String> + Send + Sync,
        numbers: u64,
    ) -> (Result<(), String>, Vec<u64>) {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build().expect("a pool");
        let mut taken = Vec::new();
        let done = pool.install(|| {
            in_order((0..numbers).map(|number| 3 * number), make, |run| {
                taken.push(run);
                Ok(())
            })
        });
        (done, taken)
    }

    #[test]
    fn runs_are_handed_on_in_order_whichever_is_done_first() {
        let slow_first = |number: u64| {
            std::thread::sleep(Duration::from_millis(if number.is_multiple_of(5) { 20 } else { 1 }));
            Ok(number)
        };
        let (done, taken) = on_four_threads(slow_first, 40);
        assert_eq!(done, Ok(()));
        assert_eq!(taken, (0..40).map(|number| 3 * number).collect::<Vec<_>>());
    }

    #[test]
    fn the_first_failure_in_order_counts_and_nothing_behind_it_is_handed_on() {
        let fails = |number: u64| match number {
            9 => {
                std::thread::sleep(Duration::from_millis(50));
                Err("nine".to_owned())
            }
            12 => Err("twelve".to_owned()),
            number => Ok(number),
        };
        let (done, taken) = on_four_threads(fails, 40);
        assert_eq!(done, Err("nine".to_owned()));
        assert_eq!(taken, [0, 3, 6]);
    }
}
