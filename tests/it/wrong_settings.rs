//! Command lines and configuration files that mean nothing, or what is not there yet.

use anyhow::Result;
use harness::{Ringmirror, TempDir};

use crate::synthetic;

#[test]
fn security_that_is_not_supported_is_refused_by_name() -> Result<()> {
    let refused =
        |line: &str, words: &[&str]| refuses_config(&format!("client.id=a\n{line}\n"), words);
    let not_yet = "not supported yet";
    refused("security.protocol=SASL_SSL", &["line 2", "security.protocol=SASL_SSL", not_yet])?;
    refused("security.protocol=SSL", &["security.protocol=SSL", not_yet])?;
    refused("sasl.jaas.config=secret-word", &["sasl.jaas.config", not_yet, "PLAINTEXT"])?;
    refused("sasl.mechanism=SCRAM-SHA-512", &["sasl.mechanism", not_yet])?;
    refused("ssl.truststore.location=/t.jks", &["ssl.truststore.location", not_yet])?;
    refused("ssl.keystore.password=secret-word", &["ssl.keystore.password", not_yet])
}

#[test]
fn keys_and_values_nobody_honours_are_refused() -> Result<()> {
    refuses_config("fetch.max.byte=1\n", &["line 1", "fetch.max.byte ", "fetch.max.bytes"])?;
    refuses_config("group.id=g\n", &["group.id is not a setting"])?;
    refuses_config("request.timeout.ms=soon\n", &["request.timeout.ms=soon", "number"])?;
    refuses_config("client.id=a\nclient.id=b\n", &["line 2", "client.id is set twice"])
}

#[test]
fn command_lines_that_mean_nothing_are_refused() -> Result<()> {
    let directory = TempDir::new("mirror")?;
    let mirror = |bootstrap: &str, topics: &str| {
        Ringmirror::mirror(bootstrap, topics, &directory.join("mirror"))
    };
    let refused = |run: Ringmirror, words: &[&str]| run.run()?.expect_refusal(USAGE, words);
    refused(mirror(NOBODY, "orders["), &["\"orders[\" is not a regular expression"])?;
    refused(mirror(NOBODY, "orders)|(x"), &["is not a regular expression"])?;
    refused(mirror(NOBODY, "a").option("--exclude", "*"), &["\"*\" is not a regular expression"])?;
    refused(mirror("nowhere", "a"), &["\"nowhere\" is not an address", "host:port"])?;
    refused(mirror(NOBODY, "a").option("--cores", "5-2"), &["no CPU number"])?;
    refused(mirror(NOBODY, "a").option("--cores", "1,1"), &["CPU 1 is named twice"])?;
    let missing = directory.join("missing.properties").display().to_string();
    refused(mirror(NOBODY, "a").option("--command-config", &missing), &["cannot read", &missing])?;
    let data_dir = directory.join("mirror").display().to_string();
    let no_source = Ringmirror::new(&["mirror", "--topics", "a", "--data-dir", &data_dir]);
    refused(no_source, &["--bootstrap-server", "--command-config"])?;
    assert!(!directory.join("mirror").exists(), "a refused command line made the directory");
    Ok(())
}

#[test]
fn memory_that_cannot_be_had_is_refused_in_one_sentence() -> Result<()> {
    let source = synthetic::source(1, 1 << 20)?;
    let directory = TempDir::new("mirror")?;
    // More than a process can address: no system gives it, however it commits memory.
    let run = synthetic::mirror(&source, &directory.join("mirror"));
    let ended = run.option("--slab-bytes", "4000TiB").option("--cores", "0").run()?;
    let ended = ended.expect_refusal(USAGE, &["cannot map", "--slab-bytes"])?;
    assert_eq!(ended.stderr.matches("os error").count(), 1, "{ended}");
    Ok(())
}

fn refuses_config(text: &str, words: &[&str]) -> Result<()> {
    let directory = TempDir::new("mirror")?;
    let config = directory.join("client.properties");
    std::fs::write(&config, text)?;
    let ended = Ringmirror::mirror(NOBODY, "orders", &directory.join("mirror"))
        .option("--command-config", &config.display().to_string())
        .run()?
        .expect_refusal(USAGE, words)?;
    assert!(!ended.stderr.contains("secret-word"), "a secret was printed: {ended}");
    Ok(())
}

const USAGE: i32 = 2;
/// The discard port: nobody is to be asked here.
const NOBODY: &str = "127.0.0.1:9";
