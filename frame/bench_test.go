package frame_test

import (
	"fmt"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/frame"
)

// typical is what a request of n items of about 700 bytes looks like.
func typical(n int) []weir.Record {
	records := make([]weir.Record, n)
	for i := range records {
		user := fmt.Sprintf("user-%06d", i*7919%100_000)
		records[i] = weir.Record{
			Workspace: "shop", Source: "src_Ab3dE", Receipt: fmt.Sprintf("rcp_%08d", i/50), Index: i % 50,
			ReceivedAt: 1_790_000_000_000_000 + weir.Micros(i/50), SentAt: 1_789_999_999_000_000, UserID: user,
			Raw: fmt.Appendf(nil, `{"kind":"pageview","pageview":{"external_id":"pv-%016x","created_at":"2026-11-21T18:%02d:%02d.123Z","url":"https://shop.example/products/%d?utm_source=newsletter&utm_campaign=autumn","title":"Product %d","referrer":"https://search.example/","viewport_width":1440,"price":%d.99},"user":{"external_id":%q,"is_authenticated":false,"created_at":"2026-10-01T08:00:00Z"},"session":{"external_id":"s-%08x","created_at":"2026-11-21T18:00:00Z"},"device":{"external_id":"d-%08x","user_agent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36","language":"en-GB","screen_width":1440}}`,
				i*2654435761, i%60, i*7%60, i%5000, i%5000, i%400, user, i*40503, i*69069),
		}
	}
	return records
}

func BenchmarkEncode(b *testing.B) {
	for _, n := range []int{1, 50, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			records := typical(n)
			b.ReportAllocs()
			var stored int
			for b.Loop() {
				body, err := frame.Encode(0, records)
				if err != nil {
					b.Fatal(err)
				}
				stored = len(body.Data)
			}
			report(b, n, stored)
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, n := range []int{1, 50, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			body, err := frame.Encode(0, typical(n))
			if err != nil {
				b.Fatal(err)
			}
			s := frame.Seal(body, 1, 1)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := frame.Decode(s); err != nil {
					b.Fatal(err)
				}
			}
			report(b, n, len(body.Data))
		})
	}
}

func BenchmarkSeal(b *testing.B) {
	body, err := frame.Encode(0, typical(50))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		frame.Seal(body, 1, 1)
	}
}

func report(b *testing.B, records, stored int) {
	b.ReportMetric(float64(b.N*records)/b.Elapsed().Seconds(), "records/s")
	b.ReportMetric(float64(stored)/float64(records), "stored-B/record")
}
