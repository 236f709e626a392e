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
    use std::time::Duration;

    use super::*;

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
}
