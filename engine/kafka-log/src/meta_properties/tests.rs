use super::*;

const TEXT: &[u8] = b"version=1\ncluster.id=5L6g3nShT-eMCtK--X86sw\nnode.id=1\n\
                      directory.id=AQEBAQEBAQEBAQEBAQEBAQ\n";

fn properties() -> MetaProperties {
    MetaProperties {
        cluster_id: "5L6g3nShT-eMCtK--X86sw".to_owned(),
        node_id: BrokerId::from_wire(1).unwrap(),
        directory_id: Some([1; 16]),
    }
}

#[test]
fn the_file_names_cluster_node_and_directory() {
    assert_eq!(properties().encode(), TEXT);
    assert_eq!(MetaProperties::parse(TEXT), Ok(properties()));
}

#[test]
fn comments_order_and_unknown_keys_do_not_matter() {
    let text = b"#Sat Nov 21\n\nnode.id = 1\nextra=x\nversion:1\n! note\n\
                 directory.id=AQEBAQEBAQEBAQEBAQEBAQ\ncluster.id=5L6g3nShT-eMCtK--X86sw";
    assert_eq!(MetaProperties::parse(text), Ok(properties()));
}

#[test]
fn a_cluster_id_with_special_characters_survives() {
    let odd = MetaProperties { cluster_id: "a=b:c#d!e\\f".to_owned(), ..properties() };
    assert_eq!(MetaProperties::parse(&odd.encode()), Ok(odd));
}

#[test]
fn what_names_no_directory_is_refused() {
    let check = |text: &str, message: &str| {
        assert_eq!(MetaProperties::parse(text.as_bytes()).unwrap_err().to_string(), message);
    };
    check("", "meta.properties does not set version");
    check("version=0", "meta.properties sets version to \"0\", expected 1");
    check("version=1", "meta.properties does not set cluster.id");
    check("version=1\ncluster.id=c", "meta.properties does not set node.id");
    check(
        "version=1\ncluster.id=c\nnode.id=-1",
        "meta.properties sets node.id to \"-1\", expected a number from 0",
    );
    let reserved = "version=1\ncluster.id=c\nnode.id=1\ndirectory.id=AAAAAAAAAAAAAAAAAAAAAQ";
    assert!(matches!(
        MetaProperties::parse(reserved.as_bytes()),
        Err(MetaPropertiesError::Value { key: "directory.id", .. })
    ));
}

/// Found by fuzzing: the blank was lost when the file was written again.
#[test]
fn a_cluster_id_with_blanks_is_refused() {
    let contents = b"version=1\ncluster.id=ab \\\nnode.id=1\n";
    let error = MetaProperties::parse(contents).unwrap_err();
    assert!(matches!(error, MetaPropertiesError::Value { key: "cluster.id", .. }));
}
