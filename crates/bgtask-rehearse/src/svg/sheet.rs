//! The paper a picture is drawn on.

use std::fmt::Write as _;

/// Calm colours, for light and for dark. Plain classes: every viewer knows them.
pub(super) const STYLE: &str = "<style>
svg{color-scheme:light dark;font-family:system-ui,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;font-size:12px}
.paper{fill:#fcfcfb}.zebra{fill:#f3f4f5}.rail{fill:#e9ebee}.grid{stroke:#e4e7ea;stroke-width:1}.day{stroke:#c3c9d0;stroke-width:1}
.title{font-size:17px;font-weight:600;fill:#20262d}.name{font-weight:500;fill:#20262d}.muted,.band-label{fill:#67717c}.small{font-size:10px;fill:#7b8590}
.axis{font-size:11px;fill:#67717c}.axis-day{font-size:11px;font-weight:600;fill:#3c454f}.bad{font-size:11px;fill:#b5473f}
.band{fill:#9cc5af}.rest{fill:#b3abcf}.latched{fill:url(#bgt-latched)}.buffered{fill:#bcc5cf}.hatch{stroke:#d9a441;stroke-width:2.4}.hatch-back{fill:#faf0da}
.run{fill:#3a7ca5}.failed{fill:#c8574e}.stopped{fill:#8d6a9f}.dense{fill-opacity:.55}.fired{fill:#2b333c}.paused{fill:#9aa4af;fill-opacity:.22}
.overdue{fill:#c8574e}.mark{stroke:#8d6a9f;stroke-width:1.6;fill:none}.missed{stroke:#c8574e;stroke-width:1.4;fill:none}
@media (prefers-color-scheme:dark){
.paper{fill:#15181c}.zebra{fill:#1b1f24}.rail{fill:#262b31}.grid{stroke:#272c32}.day{stroke:#424a53}
.title,.name{fill:#e6e9ed}.muted,.band-label,.axis{fill:#97a1ac}.small{fill:#87919c}.axis-day{fill:#c5ccd4}.bad{fill:#ea8f87}
.band{fill:#3f6b57}.rest{fill:#544d78}.buffered{fill:#535d68}.hatch{stroke:#d2a24a}.hatch-back{fill:#3a3122}
.run{fill:#6db0da}.failed{fill:#e2786f}.stopped{fill:#b795c9}.fired{fill:#dfe4ea}.paused{fill:#8a949f}.overdue{fill:#e2786f}.mark{stroke:#b795c9}.missed{stroke:#e2786f}}
</style>
<defs><pattern id=\"bgt-latched\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\"><rect class=\"hatch-back\" width=\"6\" height=\"6\"/><line class=\"hatch\" x1=\"0\" y1=\"0\" x2=\"0\" y2=\"6\"/></pattern></defs>
";

/// SVG that grows. Across it counts tenths of a pixel, down it pixels.
pub(super) struct Sheet {
    text: String,
}

impl Sheet {
    pub(super) fn new(width: i64, height: i64) -> Self {
        let text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" role=\"img\">\n"
        );
        Self { text }
    }

    pub(super) fn finish(mut self) -> String {
        self.text.push_str("</svg>\n");
        self.text
    }

    /// What is SVG already.
    pub(super) fn raw(&mut self, text: &str) {
        self.text.push_str(text);
    }

    pub(super) fn rect(&mut self, class: &str, x: i64, y: i64, width: i64, height: i64, title: Option<&str>) {
        let round = if matches!(class, "paper" | "fired" | "rail" | "overdue") { "" } else { " rx=\"2\"" };
        let _ = write!(
            self.text,
            "<rect class=\"{class}\" x=\"{}\" y=\"{y}\" width=\"{}\" height=\"{height}\"{round}",
            Tenths(x),
            Tenths(width)
        );
        self.close("rect", title);
    }

    pub(super) fn path(&mut self, class: &str, d: &str, title: Option<&str>) {
        let _ = write!(self.text, "<path class=\"{class}\" d=\"{d}\"");
        self.close("path", title);
    }

    fn close(&mut self, element: &str, title: Option<&str>) {
        match title {
            Some(title) => {
                self.text.push_str("><title>");
                self.escaped(title);
                let _ = writeln!(self.text, "</title></{element}>");
            }
            None => self.text.push_str("/>\n"),
        }
    }

    pub(super) fn text(&mut self, class: &str, x: i64, y: i64, text: &str) {
        self.text_at(class, x * 10, y, text, "", None);
    }

    pub(super) fn titled(&mut self, class: &str, x: i64, y: i64, text: &str, title: &str) {
        self.text_at(class, x * 10, y, text, "", Some(title));
    }

    pub(super) fn centred(&mut self, class: &str, x: i64, y: i64, text: &str) {
        self.text_at(class, x, y, text, " text-anchor=\"middle\"", None);
    }

    fn text_at(&mut self, class: &str, x: i64, y: i64, text: &str, more: &str, title: Option<&str>) {
        let _ = write!(self.text, "<text class=\"{class}\" x=\"{}\" y=\"{y}\"{more}>", Tenths(x));
        if let Some(title) = title {
            self.text.push_str("<title>");
            self.escaped(title);
            self.text.push_str("</title>");
        }
        self.escaped(text);
        self.text.push_str("</text>\n");
    }

    /// No text is ever markup, and none has a character that XML does not allow.
    fn escaped(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '&' => self.text.push_str("&amp;"),
                '<' => self.text.push_str("&lt;"),
                '>' => self.text.push_str("&gt;"),
                '"' => self.text.push_str("&quot;"),
                '\u{fffe}' | '\u{ffff}' => self.text.push('\u{fffd}'),
                c if c.is_control() => self.text.push('\u{fffd}'),
                c => self.text.push(c),
            }
        }
    }
}

/// A number of pixels in tenths, as it is written.
pub(super) struct Tenths(pub(super) i64);

impl std::fmt::Display for Tenths {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 % 10 {
            0 => write!(f, "{}", self.0 / 10),
            rest => write!(f, "{}.{rest}", self.0 / 10),
        }
    }
}
