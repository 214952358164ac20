package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// consume reads every partition of a topic from the log start to the end that it has now.
func (p program) consume(ctx context.Context, asked request) (answer, error) {
	isolation := kgo.ReadUncommitted()
	if asked.Isolation == "read_committed" {
		isolation = kgo.ReadCommitted()
	}
	// Markers are kept, so that the end is seen also when the last batch is one.
	client, err := p.client(kgo.FetchIsolationLevel(isolation), kgo.KeepControlRecords())
	if err != nil {
		return nil, err
	}
	defer client.Close()
	open, err := openPartitions(ctx, kadm.NewClient(client), asked)
	if err != nil {
		return nil, err
	}
	begin := map[int32]kgo.Offset{}
	for partition := range open {
		begin[partition] = kgo.NewOffset().AtStart()
	}
	client.AddConsumePartitions(map[string]map[int32]kgo.Offset{asked.Topic: begin})
	lines := map[int32][]string{}
	values := []any{}
	for len(open) > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			return nil, fmt.Errorf("ends not reached: %v: %w", open, err)
		}
		fetches.EachRecord(func(record *kgo.Record) {
			if record.Offset+1 >= open[record.Partition] {
				delete(open, record.Partition)
			}
			if record.Attrs.IsControl() {
				return
			}
			lines[record.Partition] = append(lines[record.Partition], line(record))
			if asked.Values != "" && strings.HasPrefix(string(record.Value), asked.Values) {
				values = append(values, []any{record.Partition, record.Offset, string(record.Value)})
			}
		})
	}
	return answer{"partitions": condensed(lines, asked.Lines), "values": values}, nil
}

// openPartitions gives the end of each partition that has something between start and end.
func openPartitions(
	ctx context.Context, admin *kadm.Client, asked request,
) (map[int32]int64, error) {
	starts, err := admin.ListStartOffsets(ctx, asked.Topic)
	if err != nil {
		return nil, err
	}
	list := admin.ListEndOffsets
	if asked.Isolation == "read_committed" {
		list = admin.ListCommittedOffsets
	}
	ends, err := list(ctx, asked.Topic)
	if err != nil {
		return nil, err
	}
	open := map[int32]int64{}
	ends.Each(func(end kadm.ListedOffset) {
		if end.Err != nil {
			err = end.Err
		}
		start, _ := starts.Lookup(asked.Topic, end.Partition)
		if start.Offset < end.Offset {
			open[end.Partition] = end.Offset
		}
	})
	return open, err
}

func condensed(lines map[int32][]string, withLines bool) map[int32]any {
	partitions := map[int32]any{}
	for partition, some := range lines {
		digest := sha256.Sum256([]byte(strings.Join(some, "\n")))
		one := map[string]any{"count": len(some), "sha256": hex.EncodeToString(digest[:])}
		if withLines {
			one["lines"] = some
		}
		partitions[partition] = one
	}
	return partitions
}

func line(record *kgo.Record) string {
	var headers []string
	for _, header := range record.Headers {
		headers = append(headers, header.Key+"="+shortHash(header.Value))
	}
	if len(headers) == 0 {
		headers = []string{"-"}
	}
	return fmt.Sprintf("%d %d %s %s %s", record.Offset, record.Timestamp.UnixMilli(),
		shortHash(record.Key), shortHash(record.Value), strings.Join(headers, ","))
}

func shortHash(data []byte) string {
	if data == nil {
		return "null"
	}
	digest := sha256.Sum256(data)
	return hex.EncodeToString(digest[:])[:16]
}
