//! Reading the table: all of it, or the elements just changed.

use std::sync::Arc;

use model::mark::Mark;
use model::{Key, MapName, Owner, Value};
use nfnl::{ElementRef, Error, Set, SetId, Socket, TableFlags, TableId};

use super::compare::{self, Found};
use super::owners::OwnerIndex;
use super::{Hold, Mending, NftDriver, TableOwnership, codec, schema};
use crate::driver::{DriverError, Observed, ReadBack, Structure};

/// What is in the table and has to go when its structure is built.
#[derive(Debug, Default)]
pub(super) struct Leftovers {
    /// The table exists.
    pub(super) table: bool,
    /// The table goes as a whole: its maps cannot be used.
    pub(super) unusable: bool,
    /// Every chain in it.
    pub(super) chains: Vec<String>,
    /// Sets that are not ours.
    pub(super) sets: Vec<String>,
    /// Elements of our maps that we could not have written.
    pub(super) elements: Vec<(MapName, nfnl::Element)>,
}

pub(super) type Elements = Vec<(Key, Value, Option<Arc<Owner>>)>;

/// Everything of one look.
struct Look {
    found: Option<Found>,
    elements: Elements,
    strange: Vec<(MapName, nfnl::Element)>,
}

impl NftDriver {
    pub(super) fn look(&mut self) -> Result<Observed, DriverError> {
        let (look, generation) =
            self.socket.read_consistent(read).map_err(failed("reading the table inet netkeep"))?;
        self.generation = generation.id;
        let Some(found) = look.found else {
            self.hold = Hold::Nobodys;
            self.mending = Mending::Possible;
            self.leftovers = Leftovers::default();
            self.population = 0;
            return Ok(Observed {
                generation: generation.id,
                structure: Structure::Absent,
                elements: Vec::new(),
            });
        };
        self.hold = match found.table.owner {
            Some(port) if found.table.flags.contains(TableFlags::OWNER) => {
                if port == self.socket.port_id() { Hold::Ours } else { Hold::Anothers(port) }
            }
            _ => Hold::Nobodys,
        };
        let mut structure = self.compared(&found);
        let anew = |structure: &Structure| {
            matches!(structure, Structure::TooSmall(_) | Structure::Unusable(_))
        };
        if !look.strange.is_empty() && !anew(&structure) {
            let strange = look.strange.iter().map(|(map, element)| {
                format!("map {map} has an element that is not ours: {:?}", element.key)
            });
            structure = match structure {
                Structure::Damaged(what) => {
                    Structure::Damaged(what.into_iter().chain(strange).collect())
                }
                _ => Structure::Damaged(strange.collect()),
            };
        }
        structure = self.as_it_can_be_mended(structure);
        let unusable = anew(&structure);
        // What a map of another type holds means something else.
        let foreign_types: Vec<MapName> =
            if unusable { compare::of_other_types(&found.sets) } else { Vec::new() };
        let mut elements = look.elements;
        elements.retain(|(key, ..)| !foreign_types.contains(&key.map()));
        self.population = if unusable { 0 } else { elements.len() };
        self.leftovers = Leftovers {
            table: true,
            unusable,
            chains: found.chains.into_iter().map(|chain| chain.name).collect(),
            sets: found
                .sets
                .into_iter()
                .map(|set: Set| set.name)
                .filter(|name| MapName::parse(name).is_none())
                .collect(),
            elements: look.strange,
        };
        Ok(Observed { generation: generation.id, structure, elements })
    }

    /// The structure alone, without what follows from it for the next commit.
    pub(super) fn look_at_structure(&mut self) -> Result<Structure, DriverError> {
        let (found, _) = self
            .socket
            .read_consistent(read_structure)
            .map_err(failed("reading the structure of the table inet netkeep"))?;
        Ok(found.map_or(Structure::Absent, |found| self.compared(&found)))
    }

    fn compared(&self, found: &Found) -> Structure {
        let protect = self.options.ownership == TableOwnership::Exclusive && self.protects;
        compare::structure(found, self.options.map_size, protect)
    }

    /// What the kernel refused to mend is built anew.
    fn as_it_can_be_mended(&mut self, structure: Structure) -> Structure {
        match (structure, &self.mending) {
            (Structure::Damaged(mut what), Mending::Refused(why)) => {
                what.push(format!("the kernel refuses to mend it: {why}"));
                Structure::Unusable(what)
            }
            (Structure::Damaged(what), _) => Structure::Damaged(what),
            (structure, _) => {
                self.mending = Mending::Possible;
                structure
            }
        }
    }

    /// Reads the elements one by one.
    pub(super) fn read_back_each(&mut self, keys: &[Key]) -> Result<ReadBack, DriverError> {
        let mut read_back: ReadBack = keys.iter().map(|key| (*key, None)).collect();
        for map in MapName::ALL {
            let of_map = |(_, key): &(usize, &Key)| key.map() == map;
            let (places, encoded): (Vec<usize>, Vec<codec::Bytes>) = keys
                .iter()
                .enumerate()
                .filter(of_map)
                .map(|(place, key)| (place, codec::encode_key(key)))
                .unzip();
            if places.is_empty() {
                continue;
            }
            let refs: Vec<ElementRef<'_>> =
                encoded.iter().map(|key| ElementRef::new(key.as_slice())).collect();
            let elements = self
                .socket
                .elements_by_key(&set_id(map), &refs)
                .map_err(failed("reading elements back"))?;
            for (place, element) in places.into_iter().zip(elements) {
                read_back[place].1 = element
                    .as_ref()
                    .and_then(|element| codec::decode_value(map, value_bytes(&element.as_ref())?));
            }
        }
        Ok(read_back)
    }

    /// Reads the elements with one dump of each map that has any of them.
    pub(super) fn read_back_all(&mut self, keys: &[Key]) -> Result<ReadBack, DriverError> {
        let mut found: Vec<(Key, Value)> = Vec::with_capacity(self.population);
        for map in MapName::ALL {
            if keys.iter().all(|key| key.map() != map) {
                continue;
            }
            let elements = self
                .socket
                .fold_elements(&set_id(map), Vec::new, |elements, element| {
                    let key = codec::decode_key(map, element.key);
                    let value =
                        value_bytes(element).and_then(|bytes| codec::decode_value(map, bytes));
                    elements.extend(key.zip(value));
                })
                .map_err(failed("reading elements back"))?;
            found.extend(elements);
        }
        found.sort_unstable_by_key(|(key, _)| *key);
        let value = |key: &Key| {
            found.binary_search_by(|(other, _)| other.cmp(key)).ok().map(|place| found[place].1)
        };
        Ok(keys.iter().map(|key| (*key, value(key))).collect())
    }
}

pub(super) fn set_id(map: MapName) -> SetId {
    SetId::new(schema::FAMILY, schema::TABLE, map.as_str())
}

/// One look. Whoever calls compares the generation before and after: parts need not do so again.
fn read(socket: &mut Socket) -> Result<Look, Error> {
    let nothing = Look { found: None, elements: Vec::new(), strange: Vec::new() };
    let Some(found) = read_structure(socket)? else { return Ok(nothing) };
    let ours = |set: &Set| Some((MapName::parse(&set.name)?, set.count));
    let maps: Vec<(MapName, Option<u32>)> = found.sets.iter().filter_map(ours).collect();
    let mut taken = Taken::with_room(&maps);
    for (map, count) in maps {
        // An empty hash costs its dump a walk over all of its buckets.
        if count != Some(0) {
            let step = |taken: &mut Taken, element: &ElementRef<'_>| taken.take(map, element);
            (taken, _) = socket.fold_elements_once(&set_id(map), taken, step)?;
        }
    }
    let Taken { elements, strange, .. } = taken;
    Ok(Look { found: Some(found), elements, strange })
}

fn read_structure(socket: &mut Socket) -> Result<Option<Found>, Error> {
    let id = TableId::new(schema::FAMILY, schema::TABLE);
    let Some(table) = socket.table(&id)? else { return Ok(None) };
    let sets = socket.sets(schema::FAMILY, Some(schema::TABLE))?;
    let chains = socket.chains(schema::FAMILY, Some(schema::TABLE))?;
    let rules = socket.rules(schema::FAMILY, Some(schema::TABLE), None)?;
    Ok(Some(Found { table, sets, chains, rules }))
}

/// Elements while they are being read.
struct Taken {
    elements: Elements,
    strange: Vec<(MapName, nfnl::Element)>,
    owners: OwnerIndex,
}

impl Taken {
    /// With room for as many elements as the kernel counts, as far as it does.
    fn with_room(maps: &[(MapName, Option<u32>)]) -> Self {
        let counts = || maps.iter().filter_map(|(_, count)| *count).map(|count| count as usize);
        Self {
            elements: Vec::with_capacity(counts().sum()),
            strange: Vec::new(),
            owners: OwnerIndex::with_room(counts().max().unwrap_or(0)),
        }
    }

    fn take(&mut self, map: MapName, element: &ElementRef<'_>) {
        match decode(map, element) {
            Some((key, value)) => {
                let owner = Mark::read(element.userdata)
                    .map(|mark| self.owners.owner(mark, &self.elements));
                self.elements.push((key, value, owner));
            }
            None => self.strange.extend(element.to_element().ok().map(|element| (map, element))),
        }
    }
}

/// The element in our words; `None` if we could not have written it.
fn decode(map: MapName, element: &ElementRef<'_>) -> Option<(Key, Value)> {
    if element.timeout_ms.is_some() {
        // It would vanish by itself.
        return None;
    }
    let key = codec::decode_key(map, element.key)?;
    Some((key, codec::decode_value(map, value_bytes(element)?)?))
}

/// The bytes of the element's value, none for an element of a set; `None` for a verdict.
fn value_bytes<'a>(element: &ElementRef<'a>) -> Option<&'a [u8]> {
    match element.data {
        None => Some(&[]),
        Some(nfnl::DataRef::Value(bytes)) => Some(bytes),
        Some(_) => None,
    }
}

/// What a failure to read means to a person.
pub(super) fn failed(what: &'static str) -> impl FnOnce(Error) -> DriverError {
    move |source| match source {
        Error::Denied { .. } => DriverError::Denied,
        source => DriverError::Netlink { what, source },
    }
}
