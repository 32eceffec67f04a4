//! What has to hold at every moment of a protection's life, looked at after every single call: no name is without an
//! answer while an edge may ask for it, no behaviour names an origin that is gone, and nothing of others is touched.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use failopen::document::Document;
use failopen::id::{DistributionId, Hostname};
use jiff::Timestamp;

use crate::cloud::FakeCloud;
use crate::inventory::Inventory;
use crate::log::Operation;
use crate::world::{World, zone};

/// Watches one world. Clones watch together.
#[derive(Clone)]
pub struct Upkeep {
    state: Rc<RefCell<State>>,
}

struct State {
    /// What was there before us, and has to be there at every moment.
    foreign: Inventory,
    /// Each distribution as it was before us.
    before: BTreeMap<DistributionId, Document>,
    /// What each configuration needs, by its bytes: they repeat.
    needs: BTreeMap<Vec<u8>, Result<Vec<Hostname>, String>>,
    /// Since when a name has had its present answer without a gap.
    answered_since: BTreeMap<Hostname, Timestamp>,
    calls: u64,
    faults: Vec<String>,
}

impl Upkeep {
    /// Begins to watch a world in which nothing of ours is.
    pub fn of(world: &World) -> Self {
        let foreign = Inventory::of(&world.cloud);
        let ids = foreign.distributions.keys().cloned();
        let before = ids.map(|id| (id.clone(), world.document(&id))).collect();
        let state = State {
            foreign,
            before,
            needs: BTreeMap::new(),
            answered_since: BTreeMap::new(),
            calls: 0,
            faults: Vec::new(),
        };
        let upkeep = Self { state: Rc::new(RefCell::new(state)) };
        upkeep.resume(world);
        upkeep
    }

    /// Goes on watching after [`FakeCloud::heal`], which forgets every rule.
    pub fn resume(&self, world: &World) {
        let state = Rc::clone(&self.state);
        world.cloud.on_any(&Operation::ALL).after(move |cloud| state.borrow_mut().look_at_names(cloud));
        let writes: Vec<Operation> = Operation::ALL.into_iter().filter(|operation| operation.is_write()).collect();
        let state = Rc::clone(&self.state);
        world.cloud.on_any(&writes).after(move |cloud| state.borrow_mut().look_at_others(cloud));
    }

    /// What was wrong so far, in order. Empty is good.
    pub fn faults(&self) -> Vec<String> {
        self.state.borrow().faults.clone()
    }

    /// How many calls were looked at: a watch that saw nothing proves nothing.
    pub fn calls(&self) -> u64 {
        self.state.borrow().calls
    }
}

impl State {
    /// Only a write can touch what is not ours.
    fn look_at_others(&mut self, cloud: &FakeCloud) {
        let lost = self.foreign.missing_from(&Inventory::of(cloud));
        self.faults.extend(lost.into_iter().map(|what| format!("not ours, and gone or changed: {what}")));
        let dangling = cloud.route53().checks_in_use().into_iter().filter(|id| cloud.health().read(id).is_none());
        self.faults.extend(dangling.map(|id| format!("a record names health check {id}, which is gone")));
    }

    /// An edge that has not got the last configuration yet uses one of before, and asks for the names of that one.
    ///
    /// Time alone can make a wrong wiring matter, so every call is looked at.
    fn look_at_names(&mut self, cloud: &FakeCloud) {
        self.calls += 1;
        let now = cloud.clock().aws_now();
        let names: Vec<Hostname> =
            cloud.route53().all_records(&zone().id).iter().map(|record| record.name.clone()).collect();
        self.answered_since.retain(|name, _| names.contains(name));
        for name in names {
            self.answered_since.entry(name).or_insert(now);
        }
        let sync_time = cloud.route53().sync_time;
        for (id, before) in &self.before {
            for bytes in cloud.cloudfront().on_edges(id, now) {
                if !self.needs.contains_key(bytes) {
                    self.needs.insert(bytes.to_vec(), needs(bytes, before));
                }
                let needs = match &self.needs[bytes] {
                    Ok(needs) => needs,
                    Err(fault) => {
                        self.faults.push(format!("{id}: {fault}"));
                        continue;
                    }
                };
                for name in needs {
                    match self.answered_since.get(name) {
                        None => self.faults.push(format!("{now}: an edge of {id} uses {name}, which has no record")),
                        Some(since) if *since + sync_time > now => {
                            self.faults
                                .push(format!("{now}: an edge of {id} uses {name}, which not every server knows yet"));
                        }
                        Some(_) => {}
                    }
                }
            }
        }
    }
}

/// The failover records that a configuration needs.
fn needs(bytes: &[u8], before: &Document) -> Result<Vec<Hostname>, String> {
    let document = Document::parse(bytes).map_err(|malformed| format!("a configuration is malformed: {malformed}"))?;
    let mut names = Vec::new();
    for behavior in document.behaviors() {
        if document.origin_groups().contains(&behavior.target) {
            continue;
        }
        let origin = document.origin(&behavior.target);
        let origin = origin.ok_or(format!("{} targets {}, which is gone", behavior.path_pattern, behavior.target))?;
        if origin.id.as_str().starts_with("failopen-") {
            names.push(Hostname::new(origin.domain_name.clone()));
        }
    }
    for theirs in before.behaviors() {
        let pattern = &theirs.path_pattern;
        if document.content_hash(pattern) != before.content_hash(pattern) {
            return Err(format!("behaviour {pattern} is not as it was, apart from its target"));
        }
    }
    for theirs in before.origins() {
        if document.origin(&theirs.id).is_none_or(|origin| origin.domain_name != theirs.domain_name) {
            return Err(format!("origin {} is not as it was", theirs.id));
        }
    }
    names.sort();
    names.dedup();
    Ok(names)
}
