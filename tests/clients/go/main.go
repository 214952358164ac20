// The franz-go program of the client matrix: one JSON object per line in, one per line out.
// What the requests and answers are is in ../README.md.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const wait = 30 * time.Second

type request struct {
	Action      string `json:"action"`
	Topic       string `json:"topic"`
	Isolation   string `json:"isolation"`
	Values      string `json:"values"`
	Lines       bool   `json:"lines"`
	Group       string `json:"group"`
	Protocol    string `json:"protocol"`
	Count       int    `json:"count"`
	CommitEvery int    `json:"commit_every"`
	Partitions  int    `json:"partitions"`
	Partition   int32  `json:"partition"`
	Prefix      string `json:"prefix"`
	Acks        string `json:"acks"`
	Codec       string `json:"codec"`
	Idempotent  bool   `json:"idempotent"`
}

type answer map[string]any

type program struct {
	bootstrap []string
}

func main() {
	p := program{strings.Split(os.Args[1], ",")}
	actions := map[string]func(context.Context, request) (answer, error){
		"about": p.about, "list": p.list, "consume": p.consume, "group": p.group,
		"share": p.share, "produce": p.produce,
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var asked request
		err := json.Unmarshal(lines.Bytes(), &asked)
		var told answer
		if err == nil {
			ctx, cancel := context.WithTimeout(context.Background(), wait)
			told, err = actions[asked.Action](ctx, asked)
			cancel()
		}
		if err != nil {
			told = answer{"ok": false, "error": err.Error()}
		} else {
			told["ok"] = true
		}
		if err := json.NewEncoder(os.Stdout).Encode(told); err != nil {
			os.Exit(1)
		}
	}
}

func (p program) client(options ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(p.bootstrap...)}, options...)...)
}

func (p program) about(context.Context, request) (answer, error) {
	versions := map[string]string{}
	build, _ := debug.ReadBuildInfo()
	for _, module := range build.Deps {
		if module.Path == "github.com/twmb/franz-go" {
			versions["franz-go"] = module.Version
		}
	}
	return answer{
		"versions": versions, "codecs": []string{"none", "gzip", "snappy", "lz4", "zstd"},
		"group_protocols": []string{"classic", "consumer"},
	}, nil
}

func (p program) list(ctx context.Context, _ request) (answer, error) {
	client, err := p.client()
	if err != nil {
		return nil, err
	}
	defer client.Close()
	details, err := kadm.NewClient(client).ListTopicsWithInternal(ctx)
	if err != nil {
		return nil, err
	}
	topics := map[string]int{}
	for name, detail := range details {
		topics[name] = len(detail.Partitions)
	}
	return answer{"topics": topics}, nil
}

var codecs = map[string]kgo.CompressionCodec{
	"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(),
	"snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

var acknowledgements = map[string]kgo.Acks{
	"0": kgo.NoAck(), "1": kgo.LeaderAck(), "all": kgo.AllISRAcks(),
}

func (p program) produce(ctx context.Context, asked request) (answer, error) {
	options := []kgo.Opt{
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.RequiredAcks(acknowledgements[asked.Acks]),
		kgo.ProducerBatchCompression(codecs[asked.Codec]), kgo.ProducerLinger(5 * time.Millisecond),
		kgo.RecordRetries(3),
	}
	if !asked.Idempotent {
		options = append(options, kgo.DisableIdempotentWrite())
	}
	client, err := p.client(options...)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	var records []*kgo.Record
	for index := range asked.Count {
		records = append(records, &kgo.Record{
			Topic: asked.Topic, Partition: asked.Partition,
			Key:   fmt.Appendf(nil, "key-%d", index),
			Value: fmt.Appendf(nil, "%s%d", asked.Prefix, index),
		})
	}
	var offsets []int64
	for _, result := range client.ProduceSync(ctx, records...) {
		var refusal *kerr.Error
		if errors.As(result.Err, &refusal) {
			refused := map[string]any{"name": refusal.Message, "code": refusal.Code}
			return answer{"refused": refused}, nil
		}
		if result.Err != nil {
			return nil, result.Err
		}
		offsets = append(offsets, result.Record.Offset)
	}
	return answer{"offsets": offsets}, nil
}
