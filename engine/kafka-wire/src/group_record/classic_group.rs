//! Value of a classic group.
//!
//! ```text
//!  0  protocolType, generation i32, protocol?, leader?, members: [
//!       memberId, clientId, clientHost, sessionTimeout i32, subscription bytes, assignment bytes]
//!  1  member: rebalanceTimeout i32 before sessionTimeout
//!  2  currentStateTimestamp i64 before members
//!  3  member: groupInstanceId? behind memberId                                      (written)
//!  4  as 3, compact
//! ```

use crate::fields::{FieldError, FieldReader, FieldWriter};

/// A classic group as its last rebalance left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassicGroupValue {
    /// What its members have in common: "consumer" for consumers.
    pub protocol_type: String,
    /// Generation.
    pub generation: i32,
    /// Assignor the members agreed on; none in an empty group.
    pub protocol: Option<String>,
    /// Member that assigns; none in an empty group.
    pub leader: Option<String>,
    /// When it came into this state, milliseconds since the epoch; -1 for unknown.
    pub current_state_timestamp_ms: i64,
    /// Its members.
    pub members: Vec<ClassicGroupMember>,
}

/// A member of a classic group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassicGroupMember {
    /// Id the coordinator gave it.
    pub member_id: String,
    /// Name of a static member.
    pub group_instance_id: Option<String>,
    /// What the client calls itself.
    pub client_id: String,
    /// Where it comes from.
    pub client_host: String,
    /// How long it may take to join again, milliseconds; -1 for unknown.
    pub rebalance_timeout_ms: i32,
    /// How long it may stay silent, milliseconds.
    pub session_timeout_ms: i32,
    /// Its metadata for the protocol of the group.
    pub subscription: Vec<u8>,
    /// What the leader assigned to it.
    pub assignment: Vec<u8>,
}

impl ClassicGroupValue {
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, FieldError> {
        let (mut reader, version) = FieldReader::value(bytes, "classic group", 4, 4)?;
        let value = Self {
            protocol_type: reader.string("protocol type")?,
            generation: reader.i32()?,
            protocol: reader.nullable_string("protocol")?,
            leader: reader.nullable_string("leader")?,
            current_state_timestamp_ms: if version >= 2 { reader.i64()? } else { -1 },
            members: reader.array("members", |reader| ClassicGroupMember::take(reader, version))?,
        };
        reader.no_tags()?;
        reader.end("value")?;
        Ok(value)
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>, FieldError> {
        let mut writer = FieldWriter::new(3);
        writer.text(&self.protocol_type, "protocol type");
        writer.i32(self.generation);
        writer.nullable_text(self.protocol.as_deref(), "protocol");
        writer.nullable_text(self.leader.as_deref(), "leader");
        writer.i64(self.current_state_timestamp_ms);
        writer.array(&self.members, "members", |writer, member| member.push(writer));
        writer.finish()
    }
}

impl ClassicGroupMember {
    fn take(reader: &mut FieldReader<'_>, version: i16) -> Result<Self, FieldError> {
        let member_id = reader.string("member id")?;
        let group_instance_id =
            if version >= 3 { reader.nullable_string("group instance id")? } else { None };
        let member = Self {
            member_id,
            group_instance_id,
            client_id: reader.string("client id")?,
            client_host: reader.string("client host")?,
            rebalance_timeout_ms: if version >= 1 { reader.i32()? } else { -1 },
            session_timeout_ms: reader.i32()?,
            subscription: reader.bytes("subscription")?,
            assignment: reader.bytes("assignment")?,
        };
        reader.no_tags()?;
        Ok(member)
    }

    fn push(&self, writer: &mut FieldWriter) {
        writer.text(&self.member_id, "member id");
        writer.nullable_text(self.group_instance_id.as_deref(), "group instance id");
        writer.text(&self.client_id, "client id");
        writer.text(&self.client_host, "client host");
        writer.i32(self.rebalance_timeout_ms);
        writer.i32(self.session_timeout_ms);
        writer.bytes(&self.subscription, "subscription");
        writer.bytes(&self.assignment, "assignment");
    }
}
