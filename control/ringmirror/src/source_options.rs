//! How the source is reached: command line over configuration file over defaults.

use std::fs;
use std::path::Path;

use mirror_node::client_properties::{ClientProperties, parse_address};

use crate::cli::SourceArgs;
use crate::exit_code::{CommandError, ExitCode};

/// Reads the configuration file, if there is one.
pub(crate) fn read_client_properties(
    path: Option<&Path>,
) -> Result<ClientProperties, CommandError> {
    let Some(path) = path else { return Ok(ClientProperties::default()) };
    let at = path.display();
    let text = fs::read_to_string(path)
        .map_err(|error| CommandError::usage(format!("cannot read {at}: {error}")))?;
    ClientProperties::parse(&text).map_err(|error| CommandError::usage(format!("{at}: {error}")))
}

/// Reads the configuration file and puts the command line's servers over its own.
pub(crate) fn client_properties(args: &SourceArgs) -> Result<ClientProperties, CommandError> {
    let mut properties = read_client_properties(args.command_config.as_deref())?;
    if !args.bootstrap_server.is_empty() {
        let servers = args.bootstrap_server.iter().map(|text| parse_address(text));
        properties.bootstrap_servers = servers.collect::<Result<_, _>>()?;
    }
    if properties.bootstrap_servers.is_empty() {
        let text = "no source: name a broker with --bootstrap-server HOST:PORT, or with \
                    bootstrap.servers in the file of --command-config";
        return Err(CommandError::new(ExitCode::Usage, anyhow::anyhow!(text)));
    }
    Ok(properties)
}
