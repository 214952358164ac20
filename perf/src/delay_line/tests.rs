use super::*;

const DELAY: Duration = Duration::from_millis(20);

fn line(loss: f64, seed: u64) -> DelayLine {
    let mut line = DelayLine::new(9000, seed);
    line.set(Passage { delay: DELAY, loss });
    line
}

fn send(line: &mut DelayLine, first: u8, bytes: usize, now: Instant) {
    let mut packet = line.packet();
    packet.room()[0] = first;
    packet.set_bytes(bytes);
    line.take(packet, now);
}

/// First bytes of all packets that have arrived.
fn receive(line: &mut DelayLine, now: Instant) -> Vec<u8> {
    let mut received = Vec::new();
    while let Some(packet) = line.arrived(now) {
        received.push(packet.bytes()[0]);
        line.give_back(packet);
    }
    received
}

#[test]
fn a_packet_arrives_after_the_delay_and_in_its_turn() {
    let (mut line, begin) = (line(0.0, 1), Instant::now());
    send(&mut line, 1, 100, begin);
    send(&mut line, 2, 100, begin + DELAY / 2);
    assert_eq!(line.next_arrival(), Some(begin + DELAY));
    assert!(receive(&mut line, begin + DELAY - Duration::from_nanos(1)).is_empty());
    assert_eq!(receive(&mut line, begin + DELAY), [1]);
    assert_eq!(receive(&mut line, begin + DELAY * 2), [2]);
    assert_eq!(line.next_arrival(), None);
}

#[test]
fn a_shorter_delay_lets_no_packet_overtake() {
    let (mut line, begin) = (line(0.0, 1), Instant::now());
    send(&mut line, 1, 100, begin);
    line.set(Passage { delay: Duration::ZERO, loss: 0.0 });
    send(&mut line, 2, 100, begin);
    assert!(receive(&mut line, begin).is_empty());
    assert_eq!(receive(&mut line, begin + DELAY), [1, 2]);
}

#[test]
fn one_packet_of_a_hundred_is_lost_and_the_same_ones_with_the_same_seed() {
    let run = |seed| {
        let (mut line, begin) = (line(0.01, seed), Instant::now());
        for number in 0..100_000_u32 {
            send(&mut line, number.to_le_bytes()[0], 1, begin);
        }
        let counts = line.counts();
        assert_eq!(counts.taken + counts.lost, 100_000);
        // Five times the spread of so many throws.
        assert!(counts.lost.abs_diff(1000) < 160, "{counts:?}");
        receive(&mut line, begin + DELAY)
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}

#[test]
fn what_does_not_fit_is_lost_and_told() {
    let (mut line, begin) = (DelayLine::new(QUEUE_BYTES_MAX / 2, 1), Instant::now());
    line.set(Passage { delay: DELAY, loss: 0.0 });
    for number in 0..3 {
        send(&mut line, number, QUEUE_BYTES_MAX / 2, begin);
    }
    assert_eq!(line.counts(), PacketCounts { taken: 2, lost: 0, overflown: 1 });
    assert_eq!(receive(&mut line, begin + DELAY), [0, 1]);
    send(&mut line, 3, QUEUE_BYTES_MAX / 2, begin + DELAY);
    assert_eq!(line.counts().taken, 3);
}
