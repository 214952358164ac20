package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func (p program) member(asked request, options ...kgo.Opt) (*kgo.Client, error) {
	options = append(options,
		kgo.ConsumerGroup(asked.Group), kgo.ConsumeTopics(asked.Topic), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.HeartbeatInterval(300*time.Millisecond),
		// Server side for all of the new protocol: without it the client balances by itself.
		kgo.Balancers(kgo.RangeBalancer()),
	)
	if asked.Protocol == "consumer" {
		options = append(options, kgo.ServerSideBalancer())
	}
	return p.client(options...)
}

func (p program) group(ctx context.Context, asked request) (answer, error) {
	client, err := p.member(asked)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	every := asked.CommitEvery
	if every == 0 {
		every = asked.Count
	}
	offsets, consumed := map[int32][]int64{}, 0
	for consumed < asked.Count {
		fetches := client.PollRecords(ctx, min(50, asked.Count-consumed, every-consumed%every))
		if err := fetches.Err0(); err != nil {
			return nil, fmt.Errorf("%d records of %d: %w", consumed, asked.Count, err)
		}
		fetches.EachRecord(func(record *kgo.Record) {
			consumed++
			offsets[record.Partition] = append(offsets[record.Partition], record.Offset)
		})
		if consumed%every == 0 {
			if err := client.CommitUncommittedOffsets(ctx); err != nil {
				return nil, err
			}
		}
	}
	admin := kadm.NewClient(client)
	fetched, err := admin.FetchOffsets(ctx, asked.Group)
	if err != nil {
		return nil, err
	}
	committed := map[int32]int64{}
	fetched.Each(func(one kadm.OffsetResponse) {
		if one.At >= 0 && one.Topic == asked.Topic {
			committed[one.Partition] = one.At
		}
	})
	if err := client.LeaveGroupContext(ctx); err != nil {
		return nil, err
	}
	return answer{"consumed": consumed, "offsets": offsets, "committed": committed}, nil
}

type shared struct {
	sync.Mutex
	members  [2]map[int32]bool
	seen     map[string]bool
	finished bool
}

// done stays true: the first member to see it leaves, and the other one gets what it had.
func (s *shared) done(asked request) bool {
	s.Lock()
	defer s.Unlock()
	if s.finished {
		return true
	}
	held := map[int32]bool{}
	for _, member := range s.members {
		for partition := range member {
			held[partition] = true
		}
	}
	count := len(s.members[0]) + len(s.members[1])
	s.finished = len(s.members[0]) > 0 && len(s.members[1]) > 0 && count == len(held) &&
		count == asked.Partitions && len(s.seen) >= asked.Count
	return s.finished
}

// share runs two members of one group until each has partitions and all records were seen.
func (p program) share(ctx context.Context, asked request) (answer, error) {
	s := shared{seen: map[string]bool{}}
	failures := make(chan error, len(s.members))
	for index := range s.members {
		s.members[index] = map[int32]bool{}
		go func() { failures <- p.shareAs(ctx, index, asked, &s) }()
	}
	for range s.members {
		if err := <-failures; err != nil {
			return nil, fmt.Errorf("%v, %d records: %w", s.members, len(s.seen), err)
		}
	}
	var members [][]int32
	for _, member := range s.members {
		held := []int32{}
		for partition := range member {
			held = append(held, partition)
		}
		slices.Sort(held)
		members = append(members, held)
	}
	return answer{"members": members, "consumed": len(s.seen)}, nil
}

func (p program) shareAs(ctx context.Context, index int, asked request, s *shared) error {
	given := func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
		if s.done(asked) {
			return
		}
		s.Lock()
		defer s.Unlock()
		for _, partition := range partitions[asked.Topic] {
			s.members[index][partition] = true
		}
	}
	taken := func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
		if s.done(asked) {
			return
		}
		s.Lock()
		defer s.Unlock()
		for _, partition := range partitions[asked.Topic] {
			delete(s.members[index], partition)
		}
	}
	client, err := p.member(asked,
		kgo.OnPartitionsAssigned(given), kgo.OnPartitionsRevoked(taken),
		kgo.OnPartitionsLost(taken))
	if err != nil {
		return err
	}
	defer client.Close()
	for !s.done(asked) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		poll, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
		fetches := client.PollFetches(poll)
		cancel()
		s.Lock()
		fetches.EachRecord(func(record *kgo.Record) {
			s.seen[fmt.Sprint(record.Partition, record.Offset)] = true
		})
		s.Unlock()
	}
	return nil
}
