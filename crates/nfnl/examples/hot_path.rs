//! Times one element's change in a map against the bare system calls it cannot do without.
//!
//! Run it in a namespace of its own: `unshare -n target/release/examples/hot_path`.

use std::time::{Duration, Instant};

use anyhow::Result;
use nfnl::{Batch, DataType, ElementRef, Family, Set, SetId, Socket, Table, TypeSpec};

const ROUNDS: u32 = 2_000;

fn main() -> Result<()> {
    let mut socket = Socket::open()?;
    anyhow::ensure!(
        socket.tables(Family::ANY)?.is_empty(),
        "there are tables here already: run this in a fresh network namespace"
    );
    let set = fill(&mut socket, 50_000)?;
    let mut batch = Batch::new();
    let key = |i: u32| {
        let mut key = [17, 0, 0, 0, 0, 0, 0, 0];
        key[4..].copy_from_slice(&i.to_be_bytes());
        key
    };
    let value = [10, 0, 0, 1, 0, 80, 0, 0];
    let add = time(|i| {
        batch.clear();
        batch.add_elements(&set, [ElementRef::new(&key(i)).with_value(&value)])?;
        Ok(socket.commit(&mut batch)?)
    })?;
    let check = time(|i| {
        anyhow::ensure!(socket.element(&set, &key(i))?.is_some());
        Ok(())
    })?;
    let encode = time(|i| {
        batch.clear();
        batch.add_elements(&set, [ElementRef::new(&key(i)).with_value(&value)])?;
        std::hint::black_box(&batch);
        Ok(())
    })?;
    let delete = time(|i| {
        batch.clear();
        batch.delete_elements(&set, [ElementRef::new(&key(i))])?;
        Ok(socket.commit(&mut batch)?)
    })?;
    let generation = time(|_| {
        std::hint::black_box(socket.generation_id()?);
        Ok(())
    })?;
    println!("add one        {add:?}");
    println!("delete one     {delete:?}");
    println!("read one       {check:?}");
    println!("encode only    {encode:?}");
    println!("generation     {generation:?}");
    let start = Instant::now();
    let count = socket.fold_elements(&set, || 0, |n, _| *n += 1)?;
    println!("dump of {count}  {:?}", start.elapsed());
    Ok(())
}

fn fill(socket: &mut Socket, count: u16) -> Result<SetId> {
    let mut batch = Batch::new();
    batch.add(&Table::new(Family::Inet, "bench"))?;
    let key = TypeSpec::concat(&[DataType::INET_PROTO, DataType::INET_SERVICE]);
    let data = TypeSpec::concat(&[DataType::IPV4_ADDR, DataType::INET_SERVICE]);
    let set = Set::map(Family::Inet, "bench", "m", &key, &data).with_size(65_536);
    batch.add(&set)?;
    socket.commit(&mut batch)?;
    let keys: Vec<[u8; 8]> = (0..count)
        .map(|i| {
            let [hi, lo] = i.to_be_bytes();
            [6, 0, 0, 0, hi, lo, 0, 0]
        })
        .collect();
    let id = set.set_id();
    let start = Instant::now();
    for chunk in keys.chunks(1_000) {
        batch.clear();
        let value = [10, 0, 0, 1, 0, 80, 0, 0];
        batch.add_elements(&id, chunk.iter().map(|key| ElementRef::new(key).with_value(&value)))?;
        socket.commit(&mut batch)?;
    }
    println!("fill of {count}  {:?}", start.elapsed());
    Ok(id)
}

/// Median of the rounds.
fn time(mut run: impl FnMut(u32) -> Result<()>) -> Result<Duration> {
    let mut times = Vec::with_capacity(ROUNDS as usize);
    for i in 0..ROUNDS {
        let start = Instant::now();
        run(i)?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}
