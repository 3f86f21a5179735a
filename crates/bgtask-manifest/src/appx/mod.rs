//! `Package.appxmanifest` to the model (MA-1 to MA-6).

mod guard;
pub mod namespace;

use std::ops::Range;

use roxmltree::{Attribute, Document, Node, ParsingOptions, TextPos};

pub use guard::{MAX_XML_ATTRIBUTES, MAX_XML_DEPTH, MAX_XML_NAMESPACES};

use crate::diagnostic::{Diagnostic, Findings, quoted};
use crate::model::{
    APP_SERVICE, AppService, Application, BACKGROUND_TASKS, BackgroundTask, Capability, ComServer, DeclaredType, Form,
    Manifest, Package, Sandbox,
};
use crate::places::{Field, Places, Section};

/// Most elements, texts and comments of one manifest.
pub const MAX_XML_NODES: u32 = 65_536;

const COM_SERVER: &str = "windows.comServer";

/// The model of a text; `None` if it is no XML or not a package manifest, which is then among the findings.
pub(crate) fn read(text: &str, findings: &mut Findings, places: &mut Places) -> Option<Manifest> {
    let document = match guard::guard(text).and_then(|()| parse(text)) {
        Ok(document) => document,
        Err(refusal) => {
            findings.push(refusal);
            return None;
        }
    };
    let package = document.root_element();
    let own = package.tag_name().namespace().unwrap_or_default();
    if package.tag_name().name() != "Package" || !namespace::PACKAGE.contains(&own) {
        findings.push(not_a_package(package));
        return None;
    }
    let mut reader = Reader { own, manifest: empty(), findings, places };
    reader.package(package);
    Some(reader.manifest)
}

fn parse(text: &str) -> Result<Document<'_>, Diagnostic> {
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MAX_XML_NODES, entity_resolver: None };
    Document::parse_with_options(text, options).map_err(|error| match error {
        roxmltree::Error::NodesLimitReached => {
            let message = format!("the manifest has more than {MAX_XML_NODES} elements and texts");
            Diagnostic::error("manifest/hostile-xml", message).help("no manifest needs that; write it by hand")
        }
        error => {
            let at = offset(text, error.pos());
            let message = format!("the manifest is not well-formed XML: {error}");
            let help = "correct the text at this place; nothing after it was read";
            Diagnostic::error("manifest/malformed", message).help(help).at(Some(at..at))
        }
    })
}

/// The byte at a row and column, both counted from one.
fn offset(text: &str, position: TextPos) -> usize {
    let rows = position.row.saturating_sub(1) as usize;
    let columns = position.col.saturating_sub(1) as usize;
    let line: usize = text.split_inclusive('\n').take(rows).map(str::len).sum();
    let column: usize = text[line..].chars().take(columns).map(char::len_utf8).sum();
    line + column
}

fn not_a_package(root: Node<'_, '_>) -> Diagnostic {
    let name = quoted(root.tag_name().name());
    let message = match root.tag_name().namespace() {
        Some(uri) => format!("the root element is {name} in the namespace {}, not a Package", quoted(uri)),
        None => format!("the root element is {name} without a namespace, not a Package"),
    };
    let help = format!("a manifest starts with <Package xmlns=\"{}\">", namespace::FOUNDATION);
    let start = root.range().start;
    Diagnostic::error("manifest/not-a-package", message).help(help).at(Some(start..start + 1))
}

fn empty() -> Manifest {
    Manifest {
        form: Form::Appx,
        package: Package::default(),
        applications: Vec::new(),
        background_tasks: Vec::new(),
        com_servers: Vec::new(),
        app_services: Vec::new(),
        capabilities: Vec::new(),
        raises: Vec::new(),
        sandbox: Sandbox::default(),
    }
}

struct Reader<'a> {
    /// The namespace of the `Package` element, which its own structure shares.
    own: &'a str,
    manifest: Manifest,
    findings: &'a mut Findings,
    places: &'a mut Places,
}

impl Reader<'_> {
    fn package(&mut self, package: Node<'_, '_>) {
        self.places.set(Section::Package, 0, Field::Whole, opening(package));
        for part in children(package, self.own) {
            match part.tag_name().name() {
                "Identity" => self.identity(part),
                "Properties" => self.properties(part),
                "Applications" => self.applications(part),
                "Extensions" => self.extensions(part, None),
                "Capabilities" => self.capabilities(part),
                _ => {}
            }
        }
    }

    fn identity(&mut self, identity: Node<'_, '_>) {
        self.places.set(Section::Package, 0, Field::Whole, opening(identity));
        let mut text = |attribute, field| self.text(identity, attribute, Section::Package, 0, field);
        let name = text("Name", "name");
        let publisher = text("Publisher", "publisher");
        let version = text("Version", "version");
        self.manifest.package = Package { name, publisher, version, ..std::mem::take(&mut self.manifest.package) };
    }

    fn properties(&mut self, properties: Node<'_, '_>) {
        let shown = children(properties, self.own).find(|part| part.tag_name().name() == "DisplayName");
        self.manifest.package.display_name = shown.and_then(|shown| shown.text()).map(str::to_owned);
    }

    fn applications(&mut self, applications: Node<'_, '_>) {
        for node in children(applications, self.own).filter(|node| node.tag_name().name() == "Application") {
            self.application(node);
        }
    }

    fn application(&mut self, node: Node<'_, '_>) {
        let index = self.manifest.applications.len();
        self.places.set(Section::Application, index, Field::Whole, opening(node));
        let mut text = |attribute, field| self.text(node, attribute, Section::Application, index, field);
        let id = text("Id", "id");
        let executable = text("Executable", "executable");
        let entry_point = text("EntryPoint", "entry_point");
        let start_page = text("StartPage", "start_page");
        self.manifest.applications.push(Application { id: id.clone(), executable, entry_point, start_page });
        for part in children(node, self.own).filter(|part| part.tag_name().name() == "Extensions") {
            self.extensions(part, id.as_deref());
        }
    }

    fn extensions(&mut self, extensions: Node<'_, '_>, application_id: Option<&str>) {
        for node in extensions.children().filter(|node| node.is_element()) {
            let uri = node.tag_name().namespace().unwrap_or_default();
            let category = node.attribute("Category").unwrap_or_default();
            if node.tag_name().name() != "Extension" {
                continue;
            }
            if category == BACKGROUND_TASKS && namespace::describes_tasks(uri) {
                self.background_task(node, application_id);
            } else if category == COM_SERVER && namespace::in_family(uri, namespace::COM) {
                self.com_servers(node, application_id);
            } else if category == APP_SERVICE && namespace::in_family(uri, namespace::UAP) {
                self.app_services(node, application_id);
            }
        }
    }

    fn background_task(&mut self, node: Node<'_, '_>, application_id: Option<&str>) {
        let index = self.manifest.background_tasks.len();
        self.places.set(Section::Task, index, Field::Whole, opening(node));
        let lists: Vec<Node<'_, '_>> =
            node.children().filter(|child| is_task_element(*child, "BackgroundTasks")).collect();
        // The schema puts some of these on `Extension` and some on `BackgroundTasks`; both are looked at for each.
        let mut places: Vec<Node<'_, '_>> = vec![node];
        places.extend(&lists);
        let mut text = |attribute, field| {
            let found = places.iter().find_map(|place| task_attribute(*place, attribute))?;
            self.places.set(Section::Task, index, Field::Named(field), found.range_value());
            Some(found.value().to_owned())
        };
        let mut task = BackgroundTask {
            application_id: application_id.map(str::to_owned),
            category: BACKGROUND_TASKS.to_owned(),
            entry_point: text("EntryPoint", "entry_point"),
            executable: text("Executable", "executable"),
            start_page: text("StartPage", "start_page"),
            server_name: text("ServerName", "server_name"),
            resource_group: text("ResourceGroup", "resource_group"),
            supports_multiple_instances: false,
            wall_seconds: None,
            types: Vec::new(),
        };
        let multiple = places.iter().find_map(|place| task_attribute(*place, "SupportsMultipleInstances"));
        task.supports_multiple_instances =
            multiple.is_some_and(|attribute| self.flag(Section::Task, index, &attribute));
        for list in lists {
            self.types(list, index, &mut task.types);
        }
        self.manifest.background_tasks.push(task);
    }

    fn types(&mut self, list: Node<'_, '_>, task: usize, types: &mut Vec<DeclaredType>) {
        for node in list.children().filter(|node| node.is_element() && node.tag_name().name() == "Task") {
            if !is_task_element(node, "Task") {
                let uri = quoted(node.tag_name().namespace().unwrap_or_default());
                let message = format!("this Task element is of the namespace {uri}, which no task type has");
                let help = "look at the xmlns declaration of its prefix";
                let found = Diagnostic::warning("manifest/foreign-task", message).help(help);
                self.findings.push(found.at(Some(opening(node))));
                continue;
            }
            let declared = node.attribute_node("Type");
            let span = declared.map_or_else(|| opening(node), |attribute| attribute.range_value());
            self.places.set(Section::Task, task, Field::Item(types.len()), span);
            types.push(DeclaredType {
                name: declared.map(|attribute| attribute.value().to_owned()),
                namespace: node.tag_name().namespace().map(str::to_owned),
            });
        }
    }

    fn com_servers(&mut self, extension: Node<'_, '_>, application_id: Option<&str>) {
        let servers = com_children(extension, "ComServer").flat_map(|server| com_children(server, "ExeServer"));
        for node in servers {
            let index = self.manifest.com_servers.len();
            self.places.set(Section::Server, index, Field::Whole, opening(node));
            let executable = self.text(node, "Executable", Section::Server, index, "executable");
            let arguments = self.text(node, "Arguments", Section::Server, index, "arguments");
            let mut classes = Vec::new();
            for class in com_children(node, "Class").filter_map(|class| class.attribute_node("Id")) {
                self.places.set(Section::Server, index, Field::Item(classes.len()), class.range_value());
                classes.push(class.value().to_owned());
            }
            let application_id = application_id.map(str::to_owned);
            self.manifest.com_servers.push(ComServer {
                application_id,
                executable,
                arguments,
                wall_seconds: None,
                classes,
            });
        }
    }

    /// HO-6: one extension offers one service, for which any app may ask.
    fn app_services(&mut self, extension: Node<'_, '_>, application_id: Option<&str>) {
        const SECTION: Section = Section::AppService;
        let is_service = |node: &Node<'_, '_>| is_task_element(*node, "AppService");
        for node in extension.children().filter(is_service) {
            let index = self.manifest.app_services.len();
            self.places.set(SECTION, index, Field::Whole, opening(node));
            let multiple = task_attribute(node, "SupportsMultipleInstances");
            let service = AppService {
                application_id: application_id.map(str::to_owned),
                name: self.text(node, "Name", SECTION, index, "name"),
                entry_point: self.text(extension, "EntryPoint", SECTION, index, "entry_point"),
                executable: self.text(extension, "Executable", SECTION, index, "executable"),
                server_name: self.text(node, "ServerName", SECTION, index, "server_name"),
                supports_multiple_instances: multiple.is_some_and(|attribute| self.flag(SECTION, index, &attribute)),
                wall_seconds: None,
                allow: vec!["*".to_owned()],
            };
            self.manifest.app_services.push(service);
        }
    }

    fn capabilities(&mut self, capabilities: Node<'_, '_>) {
        for node in capabilities.children().filter(Node::is_element) {
            let index = self.manifest.capabilities.len();
            self.places.set(Section::Capability, index, Field::Whole, opening(node));
            let name = self.text(node, "Name", Section::Capability, index, "name");
            self.manifest.capabilities.push(Capability { element: node.tag_name().name().to_owned(), name });
        }
    }

    fn text(
        &mut self,
        node: Node<'_, '_>,
        attribute: &str,
        section: Section,
        index: usize,
        field: &'static str,
    ) -> Option<String> {
        let found = node.attribute_node(attribute)?;
        self.places.set(section, index, Field::Named(field), found.range_value());
        Some(found.value().to_owned())
    }

    /// An XML Schema boolean.
    fn flag(&mut self, section: Section, index: usize, attribute: &Attribute<'_, '_>) -> bool {
        let span = attribute.range_value();
        self.places.set(section, index, Field::Named("supports_multiple_instances"), span.clone());
        match attribute.value().trim() {
            "true" | "1" => true,
            "false" | "0" => false,
            other => {
                let message = format!("{} is {}, which is neither true nor false", attribute.name(), quoted(other));
                let found =
                    Diagnostic::warning("HO-5", message).help("write \"true\" or \"false\"; it is taken as false");
                self.findings.push(found.at(Some(span)));
                false
            }
        }
    }
}

/// The child elements in one namespace.
fn children<'a, 'input>(node: Node<'a, 'input>, uri: &str) -> impl Iterator<Item = Node<'a, 'input>> {
    node.children().filter(move |child| child.is_element() && child.tag_name().namespace() == Some(uri))
}

fn is_task_element(node: Node<'_, '_>, name: &str) -> bool {
    node.is_element()
        && node.tag_name().name() == name
        && node.tag_name().namespace().is_some_and(namespace::describes_tasks)
}

/// The attribute of this name without a namespace or in one that describes tasks, such as `uap4:SupportsMultipleInstances`.
fn task_attribute<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Attribute<'a, 'input>> {
    node.attributes()
        .find(|attribute| attribute.name() == name && attribute.namespace().is_none_or(namespace::describes_tasks))
}

fn com_children<'a, 'input>(node: Node<'a, 'input>, name: &'static str) -> impl Iterator<Item = Node<'a, 'input>> {
    node.children().filter(move |child| {
        let uri = child.tag_name().namespace().unwrap_or_default();
        child.tag_name().name() == name && namespace::in_family(uri, namespace::COM)
    })
}

/// `<` and the element's name: enough to point at without underlining all that is inside.
fn opening(node: Node<'_, '_>) -> Range<usize> {
    let start = node.range().start;
    let source = &node.document().input_text()[start + 1..];
    let name = source.find(|c: char| c.is_whitespace() || matches!(c, '/' | '>')).unwrap_or(source.len());
    start..start + 1 + name
}
