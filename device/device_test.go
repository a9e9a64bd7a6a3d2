package device_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/weirhq/weir/device"
)

func TestRead(t *testing.T) {
	var r device.Reader
	for agent, want := range map[string]string{
		"": "[]",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:122.0) Gecko/20100101 Firefox/122.0":                                                    "$browser=Firefox $browser_version=122.0 $device_type=desktop $os=macOS $os_version=10.15",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_3 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.3 Mobile/15E148 Safari/604.1": "$browser=Safari $browser_version=17.3 $device_type=mobile $os=iOS $os_version=17.3",
		"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)":                                                                "$browser=Googlebot $browser_version=2.1 $device_type=bot",
	} {
		for range 2 { // the second time from memory
			var got []string
			for _, p := range r.Read(agent) {
				got = append(got, p.Name+"="+p.Value.Str)
			}
			text := strings.Join(got, " ")
			if text == "" {
				text = "[]"
			}
			if text != want {
				t.Errorf("%s: %s, want %s", agent, text, want)
			}
		}
	}
}

func TestManyAndLongAgentsAreBounded(t *testing.T) {
	var r device.Reader
	var wait sync.WaitGroup
	for worker := range 4 {
		wait.Go(func() {
			for i := range 5000 {
				r.Read(fmt.Sprintf("agent/%d.%d %s", worker, i, strings.Repeat("x", i)))
			}
		})
	}
	wait.Wait()
	if got := r.Read("Firefox/122.0"); len(got) == 0 {
		t.Error("nothing is read any more")
	}
}
