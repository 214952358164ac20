//! Requests made by the decoder itself: it reads from a buffer that invents what is asked for and
//! notes what it gave out. What was noted is a request of that version, whatever fields that has.

use std::ops::Range;

use bytes::{Buf, BufMut as _, Bytes, BytesMut, TryGetError};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, AlterClientQuotasRequest,
    AlterConfigsRequest, AlterPartitionReassignmentsRequest, AlterUserScramCredentialsRequest,
    ApiKey, ApiVersionsRequest, ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest,
    CreateAclsRequest, CreatePartitionsRequest, CreateTopicsRequest, DeleteAclsRequest,
    DeleteGroupsRequest, DeleteRecordsRequest, DeleteTopicsRequest, DescribeAclsRequest,
    DescribeClientQuotasRequest, DescribeClusterRequest, DescribeConfigsRequest,
    DescribeGroupsRequest, DescribeLogDirsRequest, DescribeProducersRequest,
    DescribeShareGroupOffsetsRequest, DescribeTopicPartitionsRequest, DescribeTransactionsRequest,
    DescribeUserScramCredentialsRequest, ElectLeadersRequest, EndTxnRequest, FetchRequest,
    FindCoordinatorRequest, HeartbeatRequest, IncrementalAlterConfigsRequest,
    InitProducerIdRequest, JoinGroupRequest, LeaveGroupRequest, ListConfigResourcesRequest,
    ListGroupsRequest, ListOffsetsRequest, ListPartitionReassignmentsRequest,
    ListTransactionsRequest, MetadataRequest, OffsetCommitRequest, OffsetDeleteRequest,
    OffsetFetchRequest, OffsetForLeaderEpochRequest, ProduceRequest, RequestHeader,
    ShareGroupDescribeRequest, SyncGroupRequest, TxnOffsetCommitRequest,
};
use kafka_protocol::protocol::buf::ByteBuf;
use kafka_protocol::protocol::{Decodable as _, Encodable as _};
use kafka_wire::request::RequestFrame;

/// A source of numbers that is the same in every run.
#[derive(Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `bound`.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) >> 32).expect("32 bits fit") % bound
    }

    pub(super) fn choose<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

/// A frame without its size: a request of that API and version with anything in it.
pub(super) fn request(api: ApiKey, version: i16, dice: &mut Dice) -> Bytes {
    loop {
        let mut inventor = Inventor { dice, given: BytesMut::new(), next: [0; 16] };
        if !is_decoded(api, version, &mut inventor) {
            continue;
        }
        let given = inventor.given;
        let mut frame = BytesMut::new();
        let header = RequestHeader::default()
            .with_request_api_key(api as i16)
            .with_request_api_version(version)
            .with_correlation_id(1);
        let header_version = api.request_header_version(version);
        header.encode(&mut frame, header_version).expect("every version has these fields");
        let head_bytes = frame.len();
        frame.extend(given);
        let plain = frame.clone().freeze();
        // Now and then a number that nobody expects, if it is not one that the decoder refuses.
        if dice.below(4) == 0 && frame.len() >= head_bytes + 4 {
            let at = head_bytes + dice.below(frame.len() - head_bytes - 3);
            let extreme = dice.choose(&[i32::MAX, i32::MIN, -1]);
            frame[at..at + 4].copy_from_slice(&extreme.to_be_bytes());
        }
        let odd = frame.freeze();
        let taken = RequestFrame::parse(odd.clone());
        let taken = taken.and_then(|frame| frame.decode(|api| Some(api.valid_versions())));
        return if taken.is_ok() { odd } else { plain };
    }
}

macro_rules! decode_one_of {
    ($api:expr, $version:expr, $buffer:expr, [$($name:ident: $request:ty),* $(,)?]) => {
        match $api {
            $(ApiKey::$name => <$request>::decode($buffer, $version).is_ok(),)*
            other => unreachable!("{other:?} is not served"),
        }
    };
}

fn is_decoded(api: ApiKey, version: i16, buffer: &mut Inventor<'_>) -> bool {
    decode_one_of!(api, version, buffer, [
        AlterUserScramCredentials: AlterUserScramCredentialsRequest,
        DescribeUserScramCredentials: DescribeUserScramCredentialsRequest,
        ConsumerGroupHeartbeat: ConsumerGroupHeartbeatRequest,
        ConsumerGroupDescribe: ConsumerGroupDescribeRequest,
        ShareGroupDescribe: ShareGroupDescribeRequest,
        DescribeShareGroupOffsets: DescribeShareGroupOffsetsRequest,
        ApiVersions: ApiVersionsRequest, Metadata: MetadataRequest,
        DescribeCluster: DescribeClusterRequest,
        DescribeTopicPartitions: DescribeTopicPartitionsRequest, Fetch: FetchRequest,
        ListOffsets: ListOffsetsRequest, OffsetForLeaderEpoch: OffsetForLeaderEpochRequest,
        FindCoordinator: FindCoordinatorRequest, JoinGroup: JoinGroupRequest,
        SyncGroup: SyncGroupRequest, Heartbeat: HeartbeatRequest, LeaveGroup: LeaveGroupRequest,
        OffsetCommit: OffsetCommitRequest, OffsetFetch: OffsetFetchRequest,
        ListGroups: ListGroupsRequest, DescribeGroups: DescribeGroupsRequest,
        DeleteGroups: DeleteGroupsRequest, OffsetDelete: OffsetDeleteRequest,
        DescribeConfigs: DescribeConfigsRequest, DescribeLogDirs: DescribeLogDirsRequest,
        DescribeProducers: DescribeProducersRequest, CreateTopics: CreateTopicsRequest,
        DeleteTopics: DeleteTopicsRequest, CreatePartitions: CreatePartitionsRequest,
        DeleteRecords: DeleteRecordsRequest,
        IncrementalAlterConfigs: IncrementalAlterConfigsRequest,
        AlterConfigs: AlterConfigsRequest,
        ListConfigResources: ListConfigResourcesRequest,
        ListPartitionReassignments: ListPartitionReassignmentsRequest,
        AlterPartitionReassignments: AlterPartitionReassignmentsRequest,
        ElectLeaders: ElectLeadersRequest, DescribeAcls: DescribeAclsRequest,
        CreateAcls: CreateAclsRequest, DeleteAcls: DeleteAclsRequest,
        DescribeClientQuotas: DescribeClientQuotasRequest,
        AlterClientQuotas: AlterClientQuotasRequest, ListTransactions: ListTransactionsRequest,
        DescribeTransactions: DescribeTransactionsRequest, Produce: ProduceRequest,
        InitProducerId: InitProducerIdRequest, AddPartitionsToTxn: AddPartitionsToTxnRequest,
        AddOffsetsToTxn: AddOffsetsToTxnRequest, EndTxn: EndTxnRequest,
        TxnOffsetCommit: TxnOffsetCommitRequest,
    ])
}

/// The buffer that invents.
struct Inventor<'a> {
    dice: &'a mut Dice,
    given: BytesMut,
    next: [u8; 16],
}

impl Inventor<'_> {
    /// After so much, only what ends a message.
    fn is_tired(&self) -> bool {
        self.given.len() > GIVEN_MAX
    }

    fn renew(&mut self) {
        self.next = [0; 16];
        self.next[15] = self.dice.choose(&[0, 0, 1, 2, 3]);
    }
}

impl Buf for Inventor<'_> {
    fn remaining(&self) -> usize {
        usize::MAX / 2
    }

    fn chunk(&self) -> &[u8] {
        &self.next
    }

    fn advance(&mut self, count: usize) {
        self.given.extend_from_slice(&self.next[..count]);
        self.renew();
    }

    /// A flag, or a count or length and one.
    fn try_get_u8(&mut self) -> Result<u8, TryGetError> {
        let lengths = [0, 0, 0, 1, 1, 1, 2, 2, 3, 6, 7, 8];
        let byte = if self.is_tired() { 0 } else { self.dice.choose(&lengths) };
        self.given.put_u8(byte);
        Ok(byte)
    }

    fn try_get_i8(&mut self) -> Result<i8, TryGetError> {
        let number = self.dice.choose(&[0, 1, 2, 3, 4, 8, 16, 32, -1, i8::MAX, i8::MIN]);
        self.given.put_i8(number);
        Ok(number)
    }

    /// A number, or the length of a text.
    fn try_get_i16(&mut self) -> Result<i16, TryGetError> {
        let number = if self.is_tired() { 0 } else { self.dice.choose(&[-1, 0, 1, 5, 6, 7]) };
        self.given.put_i16(number);
        Ok(number)
    }

    /// A number, or how many elements there are.
    fn try_get_i32(&mut self) -> Result<i32, TryGetError> {
        let numbers = [-1, 0, 0, 1, 1, 1, 2, 3, 6_000];
        let number = if self.is_tired() { 0 } else { self.dice.choose(&numbers) };
        self.given.put_i32(number);
        Ok(number)
    }

    fn try_get_i64(&mut self) -> Result<i64, TryGetError> {
        let numbers = [-1, -2, -3, -4, -5, 0, 1, 40, i64::MAX, i64::MIN];
        let number = self.dice.choose(&numbers);
        self.given.put_i64(number);
        Ok(number)
    }
}

impl ByteBuf for Inventor<'_> {
    fn peek_bytes(&mut self, _: Range<usize>) -> Bytes {
        unreachable!("requests are decoded without looking ahead")
    }

    /// A text, a known one where one fits.
    fn get_bytes(&mut self, size: usize) -> Bytes {
        let known: Vec<&str> = WORDS.iter().copied().filter(|word| word.len() == size).collect();
        let text = match known.len() {
            0 => Bytes::from(vec![b'x'; size]),
            _ => Bytes::from_static(self.dice.choose(&known).as_bytes()),
        };
        self.given.extend_from_slice(&text);
        text
    }
}

const WORDS: [&str; 8] = ["7", "5", "notes", "range", "Empty", "orders", "readers", "ab/cde."];
const GIVEN_MAX: usize = 600;
