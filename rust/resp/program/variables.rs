//! The environment: a variable that is nearly a setting is a mistake, which would otherwise leave a limit as it was without a word.

/// What the program's variables begin with.
const PREFIX: &str = "LYGER_RESP_";
/// What is longer was no slip of the fingers.
const NAME_BYTES_MAX: usize = 64;

/// Those of `variables` that begin as settings do and are none of the `known`: somebody else's, to be named once.
///
/// # Errors
/// In words, where one is as like to a setting as `rawr` takes for a slip: a third of its letters would have to change.
pub(crate) fn strangers(variables: impl Iterator<Item = String>, known: &[String]) -> Result<Vec<String>, String> {
    let mut strangers: Vec<String> =
        variables.filter(|name| name.starts_with(PREFIX) && !known.contains(name)).collect();
    strangers.sort_unstable();
    let nearest = |stranger: &String| {
        let name = stranger[PREFIX.len()..].to_uppercase();
        let near = known.iter().filter_map(|known| {
            let candidate = known.strip_prefix(PREFIX)?;
            let distance = strsim::levenshtein(&name, candidate);
            (name.len() <= NAME_BYTES_MAX && distance <= candidate.len() / 3).then_some((distance, known))
        });
        near.min()
    };
    for stranger in &strangers {
        if let Some((_, meant)) = nearest(stranger) {
            return Err(format!("there is no setting {stranger}: did you mean {meant}?"));
        }
    }
    Ok(strangers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_refused_and_what_is_another_s_is_named() {
        let known = ["LYGER_RESP_CLIENTS_MAX", "LYGER_RESP_IO"].map(str::to_owned);
        let look = |names: &[&str]| strangers(names.iter().map(|name| (*name).to_owned()), &known);
        let slip = "there is no setting LYGER_RESP_CLIENT_MAX: did you mean LYGER_RESP_CLIENTS_MAX?";
        assert_eq!(look(&["PATH", "LYGER_RESP_CLIENT_MAX"]), Err(slip.to_owned()));
        assert!(look(&["LYGER_RESP_clients_max"]).is_err());
        let others = ["LYGER_RESP_IO", "LYGER_RESP_SEED", "LYGER_QUEUE_MAX"];
        assert_eq!(look(&others), Ok(vec!["LYGER_RESP_SEED".to_owned()]));
    }
}
