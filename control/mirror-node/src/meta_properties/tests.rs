use super::{MetaProperties, random_id};

#[test]
fn what_is_written_is_read_back() {
    let meta = MetaProperties::generate().unwrap();
    let text = String::from_utf8(meta.encode()).unwrap();
    assert_eq!(MetaProperties::parse(&text).unwrap(), meta);
    assert_eq!(meta.cluster_id.len(), 22);
}

#[test]
fn a_file_of_a_stock_broker_is_read() {
    let text = "#\n#Thu Nov 20 10:00:00 UTC 2025\ncluster.id=5L6g3nShT-eMCtK--X86sw\n\
                directory.id=u1TKk6ktQ0iWEuGPwJkNdw\nnode.id=7\nversion=1\n";
    let meta = MetaProperties::parse(text).unwrap();
    assert_eq!((meta.node_id, meta.cluster_id.as_str()), (7, "5L6g3nShT-eMCtK--X86sw"));
}

#[test]
fn what_gives_a_directory_no_identity_is_refused() {
    let good = "version=1\ncluster.id=a\nnode.id=1\ndirectory.id=u1TKk6ktQ0iWEuGPwJkNdw\n";
    assert!(MetaProperties::parse(good).is_ok());
    for (from, to, word) in [
        ("version=1", "version=0", "version"),
        ("node.id=1", "node.id=-1", "node.id"),
        ("node.id=1", "", "node.id"),
        ("u1TKk6ktQ0iWEuGPwJkNdw", "u1TK", "directory.id"),
        ("cluster.id=a", "", "cluster.id"),
    ] {
        let error = MetaProperties::parse(&good.replace(from, to)).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn random_ids_differ_and_never_look_like_options() {
    let ids: Vec<String> = (0..200).map(|_| random_id().unwrap().to_string()).collect();
    assert!(ids.iter().all(|id| !id.starts_with('-') && id.len() == 22));
    assert_ne!(ids[0], ids[1]);
}
