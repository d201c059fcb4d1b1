//! Reading the table: all of it, or the elements just changed.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use model::{Key, MapName, Owner, Value, mark};
use nfnl::{ElementRef, Error, Set, SetId, Socket, TableFlags, TableId};

use super::compare::{self, Found};
use super::{Hold, NftDriver, TableOwnership, codec, schema};
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

type Elements = Vec<(Key, Value, Option<Arc<Owner>>)>;

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
        let protect = self.options.ownership == TableOwnership::Exclusive && self.protects;
        let mut structure = compare::structure(&found, self.options.map_size, protect);
        if !look.strange.is_empty() && !matches!(structure, Structure::Unusable(_)) {
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
        let unusable = matches!(structure, Structure::Unusable(_));
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
        // Elements of a table that is built anew go with it.
        let elements = if unusable { Vec::new() } else { look.elements };
        self.population = elements.len();
        Ok(Observed { generation: generation.id, structure, elements })
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
        let mut found: BTreeMap<Key, Value> = BTreeMap::new();
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
        Ok(keys.iter().map(|key| (*key, found.get(key).copied())).collect())
    }
}

pub(super) fn set_id(map: MapName) -> SetId {
    SetId::new(schema::FAMILY, schema::TABLE, map.as_str())
}

fn read(socket: &mut Socket) -> Result<Look, Error> {
    let nothing = Look { found: None, elements: Vec::new(), strange: Vec::new() };
    let id = TableId::new(schema::FAMILY, schema::TABLE);
    let Some(table) = socket.table(&id)? else { return Ok(nothing) };
    let sets = socket.sets(schema::FAMILY, Some(schema::TABLE))?;
    let chains = socket.chains(schema::FAMILY, Some(schema::TABLE))?;
    let rules = socket.rules(schema::FAMILY, Some(schema::TABLE), None)?;
    let mut look = nothing;
    // Owners own several elements each: one allocation an owner, not one an element.
    let mut owners: HashMap<Vec<u8>, Arc<Owner>> = HashMap::new();
    for set in &sets {
        let Some(map) = MapName::parse(&set.name) else { continue };
        let (elements, strange) = socket.fold_elements(
            &set_id(map),
            || (Vec::new(), Vec::new()),
            |(elements, strange): &mut (Elements, Vec<_>), element| match take(
                map,
                element,
                &mut owners,
            ) {
                Some(ours) => elements.push(ours),
                None => strange.extend(element.to_element().ok().map(|e| (map, e))),
            },
        )?;
        look.elements.extend(elements);
        look.strange.extend(strange);
    }
    look.found = Some(Found { table, sets, chains, rules });
    Ok(look)
}

/// The element in our words; `None` if we could not have written it.
fn take(
    map: MapName,
    element: &ElementRef<'_>,
    owners: &mut HashMap<Vec<u8>, Arc<Owner>>,
) -> Option<(Key, Value, Option<Arc<Owner>>)> {
    if element.timeout_ms.is_some() {
        // It would vanish by itself.
        return None;
    }
    let key = codec::decode_key(map, element.key)?;
    let value = codec::decode_value(map, value_bytes(element)?)?;
    let owner = match owners.get(element.userdata) {
        Some(owner) => Some(Arc::clone(owner)),
        None => mark::decode(element.userdata).map(|owner| {
            let owner = Arc::new(owner);
            owners.insert(element.userdata.to_vec(), Arc::clone(&owner));
            owner
        }),
    };
    Some((key, value, owner))
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
