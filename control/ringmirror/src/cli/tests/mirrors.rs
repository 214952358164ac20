use clap::Parser as _;

use super::super::{Cli, Command};

const NODE: &str = "--bootstrap-server n:1";

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split_whitespace())
}

fn mirrors(flags: &str) -> Result<Cli, clap::Error> {
    parse(&format!("ringmirror cluster-mirrors {NODE} {flags}"))
}

#[test]
fn the_flags_of_the_kip_parse_as_they_are() {
    for flags in [
        "--create --mirror m --mirror-config f",
        "--start --mirror m --topics orders-.* --exclude orders-internal",
        "--start --mirror m --topics a,b --confirm",
        "--stop --mirror m --topics .* --yes",
        "--pause --mirror m --topics a",
        "--resume --mirror m --topics a",
        "--recover --mirror m --topics a",
        "--delete --mirror m --yes",
        "--list",
        "--list --json",
        "--describe",
        "--describe --mirror m --json",
        "--describe --failed --command-config c",
    ] {
        mirrors(flags).unwrap_or_else(|error| panic!("{flags}: {error}"));
    }
}

#[test]
fn exactly_one_action_with_what_belongs_to_it() {
    for flags in [
        "",
        "--mirror m",
        "--start --stop --mirror m --topics a",
        "--list --describe",
        "--create --mirror m",
        "--create --mirror-config f",
        "--start --mirror m",
        "--stop --topics a",
        "--pause --mirror m",
        "--delete",
        "--delete --mirror m --topics a",
        "--list --mirror m",
        "--list --topics a",
        "--describe --topics a",
        "--describe --mirror-config f",
        "--stop --mirror m --topics a --exclude b",
        "--stop --mirror m --topics a --confirm",
        "--pause --mirror m --topics a --yes",
        "--list --failed",
        "--create --mirror m --mirror-config f --topics a",
    ] {
        let error = mirrors(flags).map(|_| ()).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{flags}");
        assert!(
            error.to_string().contains("Usage: ringmirror cluster-mirrors"),
            "{flags}: {error}"
        );
    }
    assert_eq!(parse("ringmirror cluster-mirrors --list").unwrap_err().exit_code(), 2);
}

#[test]
fn operators_commands_parse() {
    for line in [
        "ringmirror status --bootstrap-server n:1",
        "ringmirror status --bootstrap-server n:1 --mirror m --watch 2 --max-lag 0 --json",
        "ringmirror status --bootstrap-server n:1 --mirror -m",
        "ringmirror plan --start --bootstrap-server n:1 --mirror m --topics a --exclude b",
        "ringmirror plan --failback --bootstrap-server n:1 --mirror m --topics .* --json",
        "ringmirror failover --bootstrap-server n:1,o:2 --mirror m --all --yes",
        "ringmirror failover --bootstrap-server n:1 --mirror m --topics a --wait 5",
        "ringmirror failback --bootstrap-server n:1 --from o:1 --mirror m --all --confirm --yes",
        "ringmirror failback --bootstrap-server n:1 --from o:1 --mirror m --topics a --wait",
    ] {
        parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    }
    for line in [
        "ringmirror status",
        "ringmirror status --bootstrap-server n:1 --watch 0",
        "ringmirror status --bootstrap-server n:1 --mirror --watch 2",
        "ringmirror plan --bootstrap-server n:1 --mirror m --topics a",
        "ringmirror plan --start --failback --bootstrap-server n:1 --mirror m --topics a",
        "ringmirror plan --start --bootstrap-server n:1 --mirror m",
        "ringmirror failover --bootstrap-server n:1 --mirror m",
        "ringmirror failover --bootstrap-server n:1 --all",
        "ringmirror failover --bootstrap-server n:1 --mirror m --all --topics a",
        "ringmirror failback --bootstrap-server n:1 --mirror m --all",
        "ringmirror failback --from o:1 --mirror m --all",
    ] {
        assert_eq!(parse(line).map(|_| ()).unwrap_err().exit_code(), 2, "{line}");
    }
}

#[test]
fn waiting_has_a_limit_unless_it_is_asked_to_have_none() {
    let waits = |flags: &str| {
        let line = format!("ringmirror failover {NODE} --mirror m --all {flags}");
        let Command::Failover(args) = parse(&line).unwrap().command else { panic!("{line}") };
        args.moved.wait
    };
    assert_eq!((waits(""), waits("--wait 0"), waits("--wait")), (60, 0, 31_536_000));
}
