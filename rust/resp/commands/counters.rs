//! Values that are numbers: INCR and what is like it. They keep their expiry.

use super::{Call, Failure, NOT_INTEGER, Outcome};
use crate::cache::{NotANumber, Slot, sum_of_floats};
use crate::resp::number;

const OVERFLOW: Failure = Failure::new("ERR increment or decrement would overflow");
const NOT_FLOAT: Failure = Failure::new("ERR value is not a valid float");
const NOT_FINITE: Failure = Failure::new("ERR increment would produce NaN or Infinity");

fn expires_at(slot: &Slot<'_>) -> Option<u64> {
    slot.old().and_then(|old| old.expires_at())
}

/// INCR, DECR and INCRBY, where the step stands in the call.
pub(crate) fn add(call: &mut Call<'_>, step: Option<i64>) -> Outcome {
    let step = match step {
        Some(step) => step,
        None => call.integer(2)?,
    };
    let sum = call.space.update(call.args.at(1), call.now, |slot| {
        let old = match slot.old() {
            Some(old) => number::integer(&old.bytes()).ok_or(NOT_INTEGER)?,
            None => 0,
        };
        let sum = old.checked_add(step).ok_or(OVERFLOW)?;
        slot.put(&[itoa::Buffer::new().format(sum).as_bytes()], expires_at(slot))?;
        Ok::<i64, Failure>(sum)
    })?;
    call.reply.integer(sum);
    Ok(())
}

pub(crate) fn subtract(call: &mut Call<'_>) -> Outcome {
    let step = call.integer(2)?.checked_neg().ok_or(Failure::new("ERR decrement would overflow"))?;
    add(call, Some(step))
}

pub(crate) fn add_float(call: &mut Call<'_>) -> Outcome {
    let step = call.args.at(2);
    let sum = call.space.update(call.args.at(1), call.now, |slot| {
        let sum = sum_of_floats(slot.old().map(|old| old.bytes()).as_deref(), step);
        let sum = sum.map_err(|error| if error == NotANumber::Float { NOT_FLOAT } else { NOT_FINITE })?;
        slot.put(&[sum.as_bytes()], expires_at(slot))?;
        Ok::<String, Failure>(sum)
    })?;
    call.reply.bulk(sum.as_bytes());
    Ok(())
}
