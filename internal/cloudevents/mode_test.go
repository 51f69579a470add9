package cloudevents

import "testing"

func TestModeOf(t *testing.T) {
	tests := []struct {
		name        string
		contentType string
		header      string
		want        Mode
	}{
		{"the header ce-specversion makes an event of any body", "application/json", "ce-specversion", Binary},
		{"binary events need no content type", "", "ce-specversion", Binary},
		{"another ce- header does not", "application/json", "ce-id", None},
		{"a request is no event by itself", "application/json", "", None},
		{"the media type of structured mode", "application/cloudevents+json", "", Structured},
		{"the content type decides before the header does", "application/cloudevents+json", "ce-specversion", Structured},
		{"letter case, blanks and parameters make no difference", " Application/CloudEvents+JSON ; charset=UTF-8", "", Structured},
		{"the media type of batched mode", "application/cloudevents-batch+json; charset=utf-8", "", Batched},
		{"a format that is not known", "application/cloudevents+avro", "ce-specversion", Unsupported},
		{"a batch in a format that is not known", "application/cloudevents-batch+avro", "", Unsupported},
		{"no format", "application/cloudevents", "", Unsupported},
		{"a media type that only begins alike", "application/cloudeventsource", "", None},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ModeOf(tt.contentType, func(name string) bool { return name == tt.header })
			if got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}
