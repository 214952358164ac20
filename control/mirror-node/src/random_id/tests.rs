use super::random_id;

#[test]
fn random_ids_differ_and_never_look_like_options() {
    let ids: Vec<String> = (0..200).map(|_| random_id().unwrap().to_string()).collect();
    assert!(ids.iter().all(|id| !id.starts_with('-') && id.len() == 22));
    assert_ne!(ids[0], ids[1]);
}
