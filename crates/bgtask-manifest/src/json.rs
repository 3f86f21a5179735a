//! The JSON form of the model.

use serde_json::{Value, json};

use crate::model::{AppService, Application, BackgroundTask, Capability, ComServer, Form, Manifest, Package};

impl Manifest {
    /// The manifest as JSON: lists in document order, values as written, `null` for what is absent.
    ///
    /// ```json
    /// {
    ///   "form": "appxmanifest",
    ///   "package": {"name": "…", "publisher": "…", "version": "…", "display_name": "…"},
    ///   "applications": [{"id": "…", "executable": "…", "entry_point": "…", "start_page": null}],
    ///   "background_tasks": [{
    ///     "application_id": "…", "category": "windows.backgroundTasks", "entry_point": "…", "executable": null,
    ///     "start_page": null, "server_name": null, "resource_group": null, "supports_multiple_instances": false,
    ///     "wall_seconds": null, "types": [{"type": "timer", "namespace": "http://…"}]
    ///   }],
    ///   "com_servers": [{"application_id": "…", "executable": "…", "arguments": "…", "wall_seconds": null, "classes": ["…"]}],
    ///   "app_services": [{
    ///     "application_id": "…", "name": "…", "entry_point": "…", "executable": null, "server_name": null,
    ///     "supports_multiple_instances": false, "wall_seconds": null, "allow": ["*"]
    ///   }],
    ///   "capabilities": [{"element": "Capability", "name": "internetClient"}],
    ///   "sandbox": {"read": ["~/Music"], "write": [], "none": false}
    /// }
    /// ```
    ///
    /// `form` is `"toml"` or `"appxmanifest"`. A later version may add keys; it takes none away.
    ///
    /// ```
    /// let text = b"[app]\nid = \"org.example.Photos\"\nversion = \"1.0\"\nexecutable = \"photos\"\n";
    /// let manifest = bgtask_manifest::parse("bgtask.toml", text).manifest.unwrap();
    /// assert_eq!(manifest.to_json()["package"]["name"], "org.example.Photos");
    /// assert!(manifest.to_json()["package"]["publisher"].is_null());
    /// ```
    pub fn to_json(&self) -> Value {
        json!({
            "form": match self.form { Form::Toml => "toml", Form::Appx => "appxmanifest" },
            "package": package(&self.package),
            "applications": self.applications.iter().map(application).collect::<Value>(),
            "background_tasks": self.background_tasks.iter().map(task).collect::<Value>(),
            "com_servers": self.com_servers.iter().map(server).collect::<Value>(),
            "app_services": self.app_services.iter().map(app_service).collect::<Value>(),
            "capabilities": self.capabilities.iter().map(capability).collect::<Value>(),
            "sandbox": { "read": self.sandbox.read, "write": self.sandbox.write, "none": self.sandbox.none },
        })
    }
}

fn package(package: &Package) -> Value {
    json!({
        "name": package.name,
        "publisher": package.publisher,
        "version": package.version,
        "display_name": package.display_name,
    })
}

fn application(application: &Application) -> Value {
    json!({
        "id": application.id,
        "executable": application.executable,
        "entry_point": application.entry_point,
        "start_page": application.start_page,
    })
}

fn task(task: &BackgroundTask) -> Value {
    let types = task.types.iter().map(|declared| json!({ "type": declared.name, "namespace": declared.namespace }));
    json!({
        "application_id": task.application_id,
        "category": task.category,
        "entry_point": task.entry_point,
        "executable": task.executable,
        "start_page": task.start_page,
        "server_name": task.server_name,
        "resource_group": task.resource_group,
        "supports_multiple_instances": task.supports_multiple_instances,
        "wall_seconds": task.wall_seconds,
        "types": types.collect::<Value>(),
    })
}

fn server(server: &ComServer) -> Value {
    json!({
        "application_id": server.application_id,
        "executable": server.executable,
        "arguments": server.arguments,
        "wall_seconds": server.wall_seconds,
        "classes": server.classes,
    })
}

fn app_service(service: &AppService) -> Value {
    json!({
        "application_id": service.application_id,
        "name": service.name,
        "entry_point": service.entry_point,
        "executable": service.executable,
        "server_name": service.server_name,
        "supports_multiple_instances": service.supports_multiple_instances,
        "wall_seconds": service.wall_seconds,
        "allow": service.allow,
    })
}

fn capability(capability: &Capability) -> Value {
    json!({ "element": capability.element, "name": capability.name })
}
