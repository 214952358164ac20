use crate::peers::chart::draw;
use crate::peers::figures::tests::two_rounds;
use crate::peers::record::PeersRecord;

/// Whether every element that is opened is closed, in order.
fn is_well_formed(text: &str) -> bool {
    let mut open = Vec::new();
    for tag in text.split('<').skip(1) {
        let Some((tag, _)) = tag.split_once('>') else { return false };
        let name = tag.split(' ').next().unwrap_or_default();
        match name.strip_prefix('/') {
            Some(name) if open.pop() != Some(name) => return false,
            Some(_) => {}
            None if tag.ends_with('/') => {}
            None => open.push(name),
        }
        if !tag.matches('"').count().is_multiple_of(2) {
            return false;
        }
    }
    open.is_empty()
}

#[test]
fn every_contender_of_every_scenario_has_a_bar_with_its_range() {
    let text = draw(&PeersRecord { scenarios: vec![two_rounds(), two_rounds()] });
    assert!(is_well_formed(&text), "{text}");
    assert_eq!(text.matches("<rect").count(), 6);
    assert_eq!(text.matches("class=\"range\"").count(), 6);
    assert_eq!(text.matches("class=\"limit\"").count(), 2);
    assert!(text.contains("3000 MB/s, 0.25 CPU s/GB"), "{text}");
}

#[test]
fn bars_are_as_long_as_rates_are_high() {
    let text = draw(&PeersRecord { scenarios: vec![two_rounds()] });
    let widths = text.split("<rect").skip(1).map(|bar| {
        let width = bar.split("width=\"").nth(1).unwrap();
        width.split('"').next().unwrap().parse::<f64>().unwrap()
    });
    let widths: Vec<f64> = widths.collect();
    assert!((widths[0] / widths[1] - 3000.0 / 600.0).abs() < 0.05, "{widths:?}");
}

#[test]
fn nothing_measured_is_an_empty_picture() {
    assert!(is_well_formed(&draw(&PeersRecord::default())));
}
