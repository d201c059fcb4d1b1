//! Waiting with an end.

use std::time::{Duration, Instant};

/// How long a test waits for something that should come at once: only a failing test waits so long.
pub const DEADLINE: Duration = Duration::from_secs(20);

const PAUSE: Duration = Duration::from_millis(5);

/// Asks again and again until there is a value, and panics with the last error once the time is up.
/// It always asks at least once more after the time is up, so a slow machine is no failure.
#[track_caller]
pub fn eventually<T>(within: Duration, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let start = Instant::now();
    loop {
        let late = start.elapsed() >= within;
        match ask() {
            Ok(value) => return value,
            Err(error) if late => panic!("not within {within:?}: {error}"),
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_returns_the_first_value_and_reports_the_last_error() {
        let mut asked = 0;
        let value = eventually(DEADLINE, || {
            asked += 1;
            if asked == 3 { Ok(asked) } else { Err("not yet".to_owned()) }
        });
        assert_eq!(value, 3);
        let mut asked = 0;
        let caught = std::panic::catch_unwind(move || {
            eventually(Duration::from_millis(20), || {
                asked += 1;
                Err::<(), _>(format!("attempt {asked}"))
            });
        });
        let message = caught.unwrap_err().downcast::<String>().unwrap();
        assert!(message.contains("attempt ") && !message.ends_with(" 1"), "{message}");
    }
}
