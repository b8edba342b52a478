//! Trying what a loader that knows nothing of joblib would make of an array's bytes.

use std::rc::Rc;

use super::{Host, IMPORTS, Machine};
use crate::{
    pickle::value::Value,
    scan::{Scan, Stop},
};

impl<H: Host> Machine<'_, '_, H> {
    /// A loader that knows nothing of joblib takes the bytes of an array for opcodes. Whatever they would import counts;
    /// that they end nowhere does not.
    pub(in crate::pickle) fn look_at_array(
        &mut self,
        start: u64,
        wrapper: Value,
        scan: &mut Scan<'_>,
    ) -> Result<(), Stop> {
        let after = self.cursor.at();
        self.cursor.seek(start);
        scan.charge((self.stack.len() + self.far.len()) as u64)?;
        let mut stack = self.stack.clone();
        if let Some(top) = stack.last_mut() {
            *top = wrapper;
        }
        let memo = std::mem::take(&mut self.memo);
        let places = memo.len();
        let mut trial = Machine {
            stack,
            memo,
            far: self.far.clone(),
            memoized: self.memoized,
            trial: true,
            marks: self.marks.clone(),
            ..Machine::new(self.cursor, self.host)
        };
        trial.live = Rc::clone(&self.live);
        trial.saw_objects = self.saw_objects;
        let mut heard = Vec::new();
        // Items call what is no function by accident, so that alone says nothing; an imported name does.
        let result = scan.aside(&mut heard, |scan| scan.only(IMPORTS, |scan| trial.run(scan).map(|_| ())));
        let (mut memo, undo) = (std::mem::take(&mut trial.memo), std::mem::take(&mut trial.undo));
        for (place, before) in undo.into_iter().rev() {
            if let Some(at) = memo.get_mut(place) {
                *at = before;
            }
        }
        memo.truncate(places);
        self.memo = memo;
        self.cursor.seek(after);
        scan.adopt(heard);
        match result {
            Err(Stop::Over(what)) => Err(Stop::Over(what)),
            _ => Ok(()),
        }
    }
}
