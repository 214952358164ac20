//! Times every workload, or those that have the word given in their name, as in
//! `cargo bench -p benches -- batch-walk`. Rates are in the workload's unit.

use benches::workloads;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn all(criterion: &mut Criterion) {
    for workload in workloads() {
        let (subject, shape) = workload.name.split_once('/').expect("named by subject and shape");
        let shape = format!("{shape} ({})", workload.unit);
        let mut group = criterion.benchmark_group(subject.to_owned());
        let mut prepared = workload.prepare();
        group.throughput(Throughput::Elements(prepared.units));
        group.bench_function(shape, |bencher| bencher.iter(|| prepared.run()));
        group.finish();
    }
}

criterion_group!(everything, all);
criterion_main!(everything);
