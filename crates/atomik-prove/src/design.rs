//! What is proved: the files of a design, and the configuration that it claims to be.

use atomik_hdl::Config;
use atomik_hdl::files::TextFile;

/// A design to prove.
#[derive(Clone, Debug)]
pub struct Design {
    /// The configuration that it claims to be. It has the modules, and inside them the names, of
    /// the generated design.
    pub config: Config,
    /// Its files.
    pub files: Vec<TextFile>,
    /// Models of the cells that it instantiates.
    pub models: Vec<TextFile>,
}

impl Design {
    /// The generated design of `config`, with the models of its cells.
    pub fn generated(config: Config) -> Design {
        let design = atomik_hdl::generate(&config);
        Design {
            models: design
                .models
                .into_iter()
                .map(|(cell, text)| TextFile {
                    name: format!("{cell}.v"),
                    text,
                })
                .collect(),
            files: vec![TextFile {
                name: format!("{}.v", config.name()),
                text: design.verilog,
            }],
            config,
        }
    }

    /// `files` in place of the generated design of `config`: an edited design, for example. The
    /// models are those of the generated one.
    pub fn given(config: Config, files: Vec<TextFile>) -> Design {
        Design {
            files,
            ..Design::generated(config)
        }
    }

    /// All files as one text, to simulate.
    pub fn simulation_verilog(&self) -> String {
        let files = self.files.iter().chain(&self.models);
        files.map(|file| format!("{}\n", file.text)).collect()
    }
}
