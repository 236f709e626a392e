//! What a run leaves in and leaves out, in words.

use raddle_core::Config;

/// The fields in which `config` is not the usual one.
pub(crate) fn unusual(config: &Config) -> String {
    let (this, usual) = (format!("{config:?}"), format!("{:?}", Config::default()));
    let fields = this.split(", ").zip(usual.split(", "));
    let fields: Vec<_> = fields
        .filter(|(this, usual)| this != usual)
        .map(|(this, _)| this.trim_start_matches("Config { ").trim_end_matches(" }"))
        .collect();
    match fields.is_empty() {
        true => "as usual".to_owned(),
        false => fields.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::{BTreeMap, BTreeSet},
        time::Duration,
    };

    use super::*;
    use crate::{pair, stranger, tape::Tape};

    #[test]
    fn what_is_as_usual_is_not_told() {
        assert_eq!(unusual(&Config::default()), "as usual");
        let config = Config {
            events_max: 16,
            keep_alive_interval: Some(Duration::from_secs(7)),
            ..Config::default()
        };
        let told = unusual(&config);
        assert!(told.contains("events_max: 16"), "{told}");
        assert!(told.contains("keep_alive_interval: Some(7s)"), "{told}");
        assert_eq!(told.matches(": ").count(), 2, "{told}");
    }

    /// The fields of what derives `Debug`, and their values.
    fn fields(of: &impl std::fmt::Debug) -> Vec<(String, String)> {
        let text = format!("{of:#?}");
        let mut fields: Vec<(String, String)> = Vec::new();
        for line in text.lines() {
            match line
                .strip_prefix("    ")
                .filter(|line| !line.starts_with([' ', '}', ']', ')']))
            {
                Some(line) => {
                    let (name, value) = line.split_once(": ").expect("a field");
                    fields.push((name.to_owned(), value.to_owned()));
                }
                None => {
                    if let Some((_, value)) = fields.last_mut() {
                        *value += line;
                    }
                }
            }
        }
        fields
    }

    /// Asserts that each field is seen with several values, but for those that are excused, each for its reason.
    fn assert_drawn<T: std::fmt::Debug>(drawn: impl Iterator<Item = T>, excused: &[(&str, &str)]) {
        let mut seen = BTreeMap::<String, BTreeSet<String>>::new();
        for one in drawn {
            for (name, value) in fields(&one) {
                seen.entry(name).or_default().insert(value);
            }
        }
        for (name, values) in &seen {
            let is_excused = excused.iter().any(|(field, _)| field == name);
            assert_ne!(values.len() > 1, is_excused, "{name} is always {values:?}");
        }
        assert!(seen.len() > 5, "{seen:?}");
    }

    #[test]
    fn every_option_of_an_engine_is_drawn() {
        let drawn = (0..300).flat_map(|seed| {
            let (_, config, _) = stranger::configured(&mut Tape::from_seed(seed));
            let pair = pair::configured(&mut Tape::from_seed(seed));
            [vec![config], pair.to_vec()].concat()
        });
        assert_drawn(drawn, &[]);
    }

    #[cfg(feature = "network")]
    #[test]
    fn every_option_of_a_pool_is_drawn() {
        let drawn = (0..300).map(|seed| crate::net::pool_configured(&mut Tape::from_seed(seed)));
        let excused = [(
            "wait_max",
            "what is given up for that would need a reason of its own",
        )];
        assert_drawn(drawn, &excused);
    }
}
